"""Chains of a network: linear layers in a row with one elementwise activation between each two."""

from collections.abc import Sequence

from spear.layers import LinearLayer, numbered
from spear.pairs import is_pair


def chain_around(layers: Sequence[LinearLayer], index: int) -> tuple[LinearLayer, ...]:
    """Return the longest chain that a layer belongs to, in order of execution.

    Each two in a row are a layer pair (`spear.pairs.pair_at`). The chain is the layer alone if no
    pair has it.

    Args:
        layers: of the network, from `spear.layers.linear_layers`.
        index: number of the layer, counted from 1; `spear.layers.LAST` is the last one.

    Raises:
        LayerError: there is no such layer.
    """
    by_name = {each.name: each for each in layers}
    before = {each.next: each for each in layers if is_pair(each)}
    chain = [numbered(layers, index)]
    while (previous := before.get(chain[0].name)) and previous not in chain:
        chain.insert(0, previous)
    while is_pair(chain[-1]) and (following := by_name[chain[-1].next]) not in chain:
        chain.append(following)
    return tuple(chain)
