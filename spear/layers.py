"""Linear layers of a network: which there are, in order of execution, and what stands beside them.

`linear_layers` lists them; attacks choose among these by number and by the factor of the gradient
that a ReLU makes sparse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

from spear.errors import LayerError, VictimError
from spear.tracing.activations import RELU, Activation
from spear.tracing.neighbours import Neighbour, Station, described
from spear.tracing.run import Trace, trace


class Sparsity(StrEnum):
    """Which factor of dL/dW = dL/dZ X^T a ReLU makes sparse (Sec. 3.2)."""

    GRADIENT = "gradient"
    """dL/dZ: a ReLU follows the layer."""
    INPUT = "input"
    """X: a ReLU precedes the layer."""


LAST = -1
"""Number of the last linear layer, where others are counted from 1."""


@dataclass(frozen=True)
class LinearLayer:
    """A linear layer and where it stands.

    Attributes:
        name: dotted module name, as in `state_dict` keys.
        module: the layer itself.
        index: its number in order of execution, counted from 1 as in Table 4.
        before: what its inputs come out of, reshaped, pooled or dropped or not.
        after: what its outputs go into, reshaped or not; several if they are used several times.
        beyond: what comes after that.
        calls: how often it runs.
        positions: inputs of the layer for each of the network's: more than 1 in sequences.
        next: name of the linear layer that its outputs go to, and to no other place, either
            directly or through one elementwise activation, without a change of their order; empty
            if there is no such layer.
        activation: what stands between the layer and `next`; None if nothing does, or there is no
            `next`.
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
        """Which of its factors are sparse."""
        sides = {Sparsity.GRADIENT: self.after, Sparsity.INPUT: self.before}
        return frozenset(each for each, side in sides.items() if side == {RELU})

    @property
    def is_last(self) -> bool:
        """Return whether its outputs are the network's."""
        return self.after == {Station.OUTPUTS}


def linear_layers(network: nn.Module, like: Tensor | Sequence[int]) -> tuple[LinearLayer, ...]:
    """The linear layers that run, in order of execution.

    Args:
        network: in the mode in which the client trains it. It is not changed.
        like: a batch (b x ...) that it takes, or the shape of one of its inputs.

    Raises:
        VictimError: the network does not run on these inputs.
    """
    found = _trace_of_shape(network, like) if not isinstance(like, Tensor) else trace(network, like)
    modules = dict(network.named_modules())
    return tuple(
        _layer(name, modules[name], index, found)
        for index, name in enumerate(found.passages, start=1)
    )


def numbered(layers: Sequence[LinearLayer], index: int) -> LinearLayer:
    """Linear layer number `index`, counted from 1 as in Table 4; `LAST` is the last one.

    Raises:
        LayerError: there is no such layer.
    """
    if index == LAST and layers:
        return layers[-1]
    if not 1 <= index <= len(layers):
        raise LayerError(
            f"attack.layer is {index}; the network has linear layers 1 to {len(layers)}."
        )
    return layers[index - 1]


def attackable(
    layers: Sequence[LinearLayer], index: int, sparsity: Sparsity | None = Sparsity.GRADIENT
) -> LinearLayer:
    """Linear layer number `index`, for an attack that needs `sparsity` (Sec. 3.2), or None.

    Raises:
        LayerError: there is no such layer, it has no bias, or no ReLU stands where the attack needs
            it; the message names the layers it can attack and the attack for this one.
    """
    layer = numbered(layers, index)
    if layer.module.bias is None:
        raise LayerError(
            f"layer {index} ({layer.name}) has no bias; the attack finds the scale of each input "
            "from the bias gradient (Theorem 3.5)."
        )
    if sparsity is None or sparsity in layer.sparsity:
        return layer
    fit = [each.index for each in layers if sparsity in each.sparsity]
    if not layer.sparsity:
        advice = f"choose one of {fit}" if fit else "attack the network with attack=geiping"
        raise LayerError(
            f"attack.layer is {index}, but no ReLU follows that layer and none precedes it, so "
            f"that neither its gradient nor its inputs are sparse (Sec. 3.2): "
            f"{described(*layer.before)} before, {described(*layer.after)} after; {advice}."
        )
    missing, other = _MISSING[sparsity]
    raise LayerError(
        f"attack.layer is {index}, but {missing} sparse (Sec. 3.2); choose one of {fit}, or attack "
        f"this layer with {other}."
    )


def activation_between(first: LinearLayer, second: LinearLayer) -> Activation | None:
    """The activation through which alone the outputs of one layer become another's inputs.

    None if there is none, or anything else is between them.
    """
    return first.activation if first.next == second.name else None


_MISSING = {
    Sparsity.GRADIENT: (
        "no ReLU follows that layer, so its gradient is not",
        "attack=spear_input, for which a ReLU precedes it",
    ),
    Sparsity.INPUT: (
        "no ReLU precedes that layer, so its inputs are not",
        "attack=spear_irls, for which a ReLU follows it",
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
