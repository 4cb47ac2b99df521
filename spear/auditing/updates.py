"""Attacks of an audit that need the update of several layers: without biases, or of local steps."""

from collections.abc import Sequence

from torch import nn

from spear.activations.named import elementwise
from spear.auditing.resimulation import Loss
from spear.chains import is_unbiased, unbiased_chain_to_outputs
from spear.errors import LayerError
from spear.inversion import SpearNetwork, SpearPairFedAvg, SpearPairUnbiased
from spear.inversion.network.by_loss import is_hard_cross_entropy
from spear.layers import LinearLayer
from spear.reconstruction import (
    LENGTHS_OPEN,
    RESTS_ON_ACTIVATION,
    RESTS_ON_LOSS,
    SIGNS_BY_LOSS,
    SIGNS_OPEN,
    Reconstruction,
)
from spear.update import Update

WORDS = {
    RESTS_ON_ACTIVATION: "the lengths of its inputs rest on the shape of the activation",
    RESTS_ON_LOSS: "the lengths of its inputs rest on the cross-entropy of the outputs",
    LENGTHS_OPEN: "nothing fixes the lengths of its inputs, only their directions are found",
    SIGNS_BY_LOSS: "the signs of its inputs rest on the cross-entropy of the outputs",
    SIGNS_OPEN: "nothing fixes the signs of its inputs",
}


def leads_to_loss(
    model: nn.Module, layers: Sequence[LinearLayer], layer: LinearLayer, loss: Loss
) -> bool:
    """Return whether the loss tells the lengths of a layer's inputs.

    Args:
        model: whose layers they are.
        layers: all that run.
        layer: one of them.
        loss: of the client.
    """
    if not (isinstance(loss, nn.Module) and is_hard_cross_entropy(loss)):
        return False
    parameters = dict(model.named_parameters())
    try:
        chain = unbiased_chain_to_outputs(layers, layer.index)
        pairs = [each.activation for each in chain[:-1]]
        return all(each and elementwise(each, parameters).homogeneous for each in pairs)
    except LayerError:
        return False


def solved(
    update: Update, layer: LinearLayer, steps: int, rate: float, budget: float, seed: int
) -> Reconstruction:
    """Run the attack on a layer without a bias gradient, or after several local steps.

    Args:
        update: of the client.
        layer: the attacked one.
        steps: local steps on the whole batch; with 1 the layer shares no bias gradient.
        rate: learning rate of a step.
        budget: seconds that the attack may take.
        seed: of the attack.

    Raises:
        SpearError: the update is not one that the attack can use.
    """
    if steps > 1:
        drift = SpearPairFedAvg(layer.index, steps, rate, time_limit=budget)
        return drift(drift.observe(update), seed=seed)
    if is_unbiased(update.layers, layer.index):
        chain = SpearNetwork(layer.index, time_limit=budget)
        return chain(chain.observe(update), seed=seed)
    pair = SpearPairUnbiased(layer.index, time_limit=budget)
    return pair(pair.observe(update), seed=seed)


def scale_words(found: Reconstruction) -> tuple[str, ...]:
    """Return what the lengths and signs of inputs rest on, in sentences without a full stop."""
    return tuple(words for name, words in WORDS.items() if found.details.get(name))
