"""Linear layers of a network in order of execution, with their neighbours.

`linear_layers` lists the layers. An attack names one by its number, and needs a ReLU on one side of
it, which makes a factor of the layer's gradient sparse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from numbers import Integral
from typing import Any

import torch
from torch import nn

from spear.errors import LayerError, VictimError
from spear.folding import without_norms
from spear.probing import tensors
from spear.tracing.activations import RELU, Activation
from spear.tracing.neighbours import Neighbour, Station, described
from spear.tracing.run import Trace, trace


class Sparsity(StrEnum):
    """Factor of the gradient dL/dW = dL/dZ X^T that a ReLU makes sparse (Sec. 3.2)."""

    GRADIENT = "gradient"
    """dL/dZ: a ReLU follows the layer."""
    INPUT = "input"
    """X: a ReLU precedes the layer."""


LAST = -1
"""Number that stands for the last linear layer. Layers are counted from 1; no other negative number
and no 0 stands for one."""


@dataclass(frozen=True)
class LinearLayer:
    """A linear layer and its place in the network.

    Attributes:
        name: dotted module name, as in `state_dict` keys.
        module: the layer itself.
        index: its number in order of execution, counted from 1 as in Table 4.
        before: neighbours that its inputs come from. Reshaping, max-pooling and dropout in between
            are passed over.
        after: neighbours that its outputs go to; several if the outputs are used several times.
            Reshaping in between is passed over.
        beyond: neighbours that the outputs of those in `after` go to.
        calls: number of times that it runs.
        positions: inputs of the layer for each input of the network: more than 1 in sequences.
        next: name of the linear layer that takes its outputs, unchanged or through one elementwise
            activation. Empty if they go to another place, to several, or in another order.
        activation: the one between the layer and `next`; None if there is none, or no `next`.
    """

    name: str
    module: nn.Linear
    index: int
    before: frozenset[Neighbour] = frozenset({Station.UNKNOWN})
    after: frozenset[Neighbour] = frozenset({Station.UNKNOWN})
    beyond: frozenset[Neighbour] = frozenset({Station.UNKNOWN})
    calls: int = 1
    positions: int = 1
    next: str = ""
    activation: Activation | None = None

    @property
    def sparsity(self) -> frozenset[Sparsity]:
        """Factors of the layer's gradient that are sparse, because of a ReLU beside the layer."""
        sides = {Sparsity.GRADIENT: self.after, Sparsity.INPUT: self.before}
        return frozenset(each for each, side in sides.items() if side == {RELU})

    @property
    def is_last(self) -> bool:
        """Return whether the layer's outputs are the network's."""
        return self.after == {Station.OUTPUTS}


def linear_layers(network: nn.Module, like: Any) -> tuple[LinearLayer, ...]:
    """Return the linear layers that run, in order of execution.

    A batch norm in evaluation mode behind one is folded into it (`spear.folding`): the layer is
    that of a copy of the network.

    Args:
        network: in the mode in which the client trains it. It is not changed.
        like: a batch (b x ...) that the network takes, several inputs in a tuple or by name, or the
            shape of one of its inputs.

    Raises:
        VictimError: the network does not run on these inputs.
    """
    batch = next(tensors(like), None) is not None
    network = without_norms(network, like)
    found = trace(network, like) if batch else _trace_of_shape(network, like)
    modules = dict(network.named_modules())
    return tuple(
        _layer(name, modules[name], index, found)
        for index, name in enumerate(found.passages, start=1)
    )


def check_number(layer: object) -> None:
    """Refuse anything but a whole number as the number of a layer.

    Raises:
        LayerError: it is of another type.
    """
    if isinstance(layer, bool) or not isinstance(layer, Integral):
        raise LayerError(
            f"layer is {layer!r}; expected the number of a linear layer, counted from 1, or {LAST} "
            "for the last one."
        )


def numbered(layers: Sequence[LinearLayer], index: int) -> LinearLayer:
    """Return linear layer number `index`, counted from 1 as in Table 4; `LAST` is the last one.

    Raises:
        LayerError: there is no such layer, or `index` is no whole number.
    """
    check_number(index)
    if index == LAST and layers:
        return layers[-1]
    if not 1 <= index <= len(layers):
        raise LayerError(_no_such_layer(index, len(layers)))
    return layers[index - 1]


def attackable(
    layers: Sequence[LinearLayer], index: int, sparsity: Sparsity | None = Sparsity.GRADIENT
) -> LinearLayer:
    """Return linear layer number `index` for an attack on it.

    Args:
        layers: of the network, from `linear_layers`.
        index: number of the layer, counted from 1; `LAST` is the last one.
        sparsity: factor of the gradient that must be sparse (Sec. 3.2); None if none has to be.

    Raises:
        LayerError: there is no such layer, it has no bias, or no ReLU stands where the attack needs
            it; the message names the layers that can be attacked and the attack for this one.
    """
    layer = numbered(layers, index)
    if layer.module.bias is None:
        raise LayerError(
            f"layer {index} ({layer.name}) has no bias, but the attack finds the scale of each "
            "input from the bias gradient (Theorem 3.5); attack a layer with a bias."
        )
    if sparsity is None or sparsity in layer.sparsity:
        return layer
    fit = [each.index for each in layers if sparsity in each.sparsity]
    if not layer.sparsity:
        advice = f"choose one of {fit}" if fit else f"attack the network with {_WITHOUT_RELU}"
        raise LayerError(
            f"layer is {index}, but no ReLU follows that layer and none precedes it, so "
            f"that neither its gradient nor its inputs are sparse (Sec. 3.2): "
            f"{described(*layer.before)} before, {described(*layer.after)} after; {advice}."
        )
    missing, other = _MISSING[sparsity]
    raise LayerError(
        f"layer is {index}, but {missing} sparse (Sec. 3.2); choose one of {fit}, or attack "
        f"this layer with {other}."
    )


def activation_between(first: LinearLayer, second: LinearLayer) -> Activation | None:
    """Return the activation that alone stands between two layers.

    None if there is none, if anything else is between them, or if the outputs of `first` do not go
    to `second` alone.
    """
    return first.activation if first.next == second.name else None


def _no_such_layer(index: int, n_layers: int) -> str:
    if n_layers == 0:
        return (
            f"layer is {index}, but the network runs no linear layer; attack a network with "
            "torch.nn.Linear."
        )
    return (
        f"layer is {index}; the network has linear layers 1 to {n_layers}, and {LAST} stands for "
        "the last one."
    )


_WITHOUT_RELU = (
    "SpearPair (attack=spear_pair), which inverts any activation from the gradients of two layers, "
    "or GradientMatching (attack=geiping)"
)

_MISSING = {
    Sparsity.GRADIENT: (
        "no ReLU follows that layer, so its gradient is not",
        "SpearInput (attack=spear_input), which needs a ReLU before it",
    ),
    Sparsity.INPUT: (
        "no ReLU precedes that layer, so its inputs are not",
        "SpearIrls (attack=spear_irls), which needs a ReLU after it",
    ),
}


def _trace_of_shape(network: nn.Module, shape: Sequence[int]) -> Trace:
    """A run on zeros of the network's precision, or else on whole numbers, as embeddings take."""
    parameters = (each for each in network.parameters() if each.is_floating_point())
    like = next(parameters, torch.empty(0))
    inputs = like.new_zeros(2, *shape)
    try:
        return trace(network, inputs)
    except VictimError:
        try:
            return trace(network, inputs.long())
        except VictimError:
            pass
        raise


def _layer(name: str, module: nn.Module, index: int, found: Trace) -> LinearLayer:
    assert isinstance(module, nn.Linear)  # no other is traced
    passages = found.passages[name]
    after, beyond = found.after(name)
    following, activation = found.following(name) or ("", None)
    if following and passages[-1].rows != found.passages[following][-1].rows:
        following, activation = "", None
    return LinearLayer(
        name=name,
        module=module,
        index=index,
        before=frozenset(found.before(name)),
        after=frozenset(after),
        beyond=frozenset(beyond),
        calls=len(passages),
        positions=max(1, passages[-1].rows // found.batch),
        next=following,
        activation=activation,
    )
