"""Chains of a network: linear layers in a row with one elementwise activation between each two."""

from collections.abc import Callable, Sequence

from spear.errors import LayerError
from spear.layers import LinearLayer, numbered
from spear.pairs import is_activated, is_pair, unbiased_pair_at
from spear.tracing.neighbours import described


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
    return _around(layers, index, is_pair)


def unbiased_chain_around(layers: Sequence[LinearLayer], index: int) -> tuple[LinearLayer, ...]:
    """Return the longest chain of layers without biases that a layer belongs to, as `chain_around`.

    Raises:
        LayerError: there is no such layer.
    """
    unbiased = {each.name for each in layers if each.module.bias is None}
    return _around(
        layers, index, lambda each: is_activated(each) and {each.name, each.next} <= unbiased
    )


def is_unbiased(layers: Sequence[LinearLayer], index: int) -> bool:
    """Return whether a layer belongs to a chain without biases, and to no other.

    Raises:
        LayerError: there is no such layer.
    """
    alone = len(chain_around(layers, index)) == 1
    return alone and len(unbiased_chain_around(layers, index)) > 1


def _around(
    layers: Sequence[LinearLayer], index: int, starts_pair: Callable[[LinearLayer], bool]
) -> tuple[LinearLayer, ...]:
    by_name = {each.name: each for each in layers}
    before = {each.next: each for each in layers if starts_pair(each)}
    chain = [numbered(layers, index)]
    while (previous := before.get(chain[0].name)) and previous not in chain:
        chain.insert(0, previous)
    while starts_pair(chain[-1]) and (following := by_name[chain[-1].next]) not in chain:
        chain.append(following)
    return tuple(chain)


def unbiased_chain_to_outputs(layers: Sequence[LinearLayer], index: int) -> tuple[LinearLayer, ...]:
    """Return the layers from one on to that of the network's outputs, all without biases.

    Args:
        layers: of the network, from `spear.layers.linear_layers`.
        index: number of the first, counted from 1; one elementwise activation and a linear layer
            follow it.

    Raises:
        LayerError: there is no such layer, it starts no pair, one of the layers has a bias, or they
            do not lead to the outputs through elementwise activations.
    """
    pair = unbiased_pair_at(layers, index)
    by_name = {each.name: each for each in layers}
    chain = [pair.first, pair.following]
    while chain[-1].next and chain[-1].activation is not None:
        chain.append(by_name[chain[-1].next])
    if not chain[-1].is_last:
        raise LayerError(
            f"{described(*chain[-1].after)} follows layer {chain[-1].index} ({chain[-1].name}); "
            "expected linear layers with one elementwise activation between each two up to the "
            "network's outputs, so that the loss tells the lengths of the inputs."
        )
    for each in chain:
        if each.module.bias is not None:
            raise LayerError(
                f"layer {each.index} ({each.name}) has a bias; expected none from layer {index} "
                "on, so that outputs grow as their inputs do. Attack that layer by spear_pair."
            )
    return tuple(chain)
