"""Honest-but-curious server's view of one layer: its parameters and the client's update."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.activations.elementwise import Elementwise
from spear.errors import InvalidObservation
from spear.validation import check_finite, check_shape, check_tensor


@dataclass(frozen=True)
class Observation:
    """Parameters of a linear layer z = W x + bias and the update that the server received (Sec. 2).

    The private batch is not in here: neither inputs nor labels, nor the batch size.

    Attributes:
        weight: W, m x n.
        bias: m entries.
        weight_gradient: dL/dW, m x n; for FedAvg (W_0 - W_E) / eta, a sum of such gradients.
        bias_gradient: dL/dbias, m entries; for FedAvg likewise.

    Raises:
        InvalidObservation: a part is missing, shapes disagree, or an entry is NaN or infinite.
    """

    weight: Tensor
    bias: Tensor
    weight_gradient: Tensor
    bias_gradient: Tensor

    def __post_init__(self) -> None:
        _check_presence(self)
        _check_shapes(self)
        for name in _PARTS:
            check_finite(name, getattr(self, name))

    @property
    def m(self) -> int:
        """Number of the layer's neurons (its output dimension)."""
        return self.weight.shape[0]

    @property
    def n(self) -> int:
        """Input dimension of the layer."""
        return self.weight.shape[1]

    def to(self, device: torch.device | str) -> "Observation":
        """Return the same observation on another device."""
        if all(getattr(self, name).device == torch.device(device) for name in _PARTS):
            return self
        return Observation(
            self.weight.to(device),
            self.bias.to(device),
            self.weight_gradient.to(device),
            self.bias_gradient.to(device),
        )


_PARTS = ("weight", "bias", "weight_gradient", "bias_gradient")


def _check_presence(observation: Observation) -> None:
    for name in _PARTS:
        value = getattr(observation, name)
        if value is None:
            raise InvalidObservation(
                f"the observation has no {name}; the attack needs weight and bias of a layer and "
                "the update of both (Theorem 3.5 finds the scale of each input from the bias)."
            )
        check_tensor(name, value)


def _check_shapes(observation: Observation) -> None:
    weight = observation.weight
    if weight.ndim != 2 or 0 in weight.shape:
        raise InvalidObservation(
            f"weight has shape {tuple(weight.shape)}; expected m x n with m, n >= 1."
        )
    m, n = weight.shape
    reason = f"because weight has shape {(m, n)} and both must belong to the same layer"
    for name, shape in {"bias": (m,), "weight_gradient": (m, n), "bias_gradient": (m,)}.items():
        check_shape(name, getattr(observation, name), shape, reason)


@dataclass(frozen=True)
class LayerPair:
    """A layer z = W1 x + c1, the next one u = W2 sigma(z) + c2, and the updates of both.

    The same party holds no more of the batch than in an `Observation`: the pair is two of them and
    the activation between, which is part of the network.

    Attributes:
        first: the first layer, m neurons, with dL/dW1 and dL/dc1.
        next_weight: W2, K x m.
        next_weight_gradient: dL/dW2, K x m.
        activation: sigma.
        next_bias_gradient: dL/dc2 (K); None if the layer has no bias, or a frozen one.

    Raises:
        InvalidObservation: shapes disagree, or an entry is NaN or infinite.
    """

    first: Observation
    next_weight: Tensor
    next_weight_gradient: Tensor
    activation: Elementwise
    next_bias_gradient: Tensor | None = None

    def __post_init__(self) -> None:
        weight = self.next_weight
        check_tensor("next_weight", weight)
        if weight.ndim != 2 or weight.shape[1] != self.m:
            raise InvalidObservation(
                f"next_weight has shape {tuple(weight.shape)}; expected K x {self.m}, as the first "
                f"layer has {self.m} outputs."
            )
        reason = f"as next_weight has shape {tuple(weight.shape)}"
        check_tensor("next_weight_gradient", self.next_weight_gradient)
        check_shape("next_weight_gradient", self.next_weight_gradient, weight.shape, reason)
        check_finite("next_weight", weight)
        check_finite("next_weight_gradient", self.next_weight_gradient)
        if self.next_bias_gradient is not None:
            check_tensor("next_bias_gradient", self.next_bias_gradient)
            check_shape("next_bias_gradient", self.next_bias_gradient, weight.shape[:1], reason)
            check_finite("next_bias_gradient", self.next_bias_gradient)

    @property
    def m(self) -> int:
        """Neurons between the two layers."""
        return self.first.m

    @property
    def n(self) -> int:
        """Input dimension of the first layer."""
        return self.first.n

    def to(self, device: torch.device | str) -> "LayerPair":
        """Return the same pair on another device."""
        bias_gradient = self.next_bias_gradient
        return LayerPair(
            self.first.to(device),
            self.next_weight.to(device),
            self.next_weight_gradient.to(device),
            self.activation.to(device),
            None if bias_gradient is None else bias_gradient.to(device),
        )


@dataclass(frozen=True)
class UnbiasedPair:
    """Two linear layers in a row, with an activation between, of which the first shares no dL/dc1.

    It has no bias, or a frozen one.

    Attributes:
        weight: W1, m x n.
        weight_gradient: dL/dW1, m x n.
        next_weight: W2, K x m.
        next_weight_gradient: dL/dW2, K x m.
        activation: sigma.
        bias: c1 (m); None if the layer has none.
        next_bias_gradient: dL/dc2 (K); None if it is not shared.

    Raises:
        InvalidObservation: shapes disagree, or an entry is NaN or infinite.
    """

    weight: Tensor
    weight_gradient: Tensor
    next_weight: Tensor
    next_weight_gradient: Tensor
    activation: Elementwise
    bias: Tensor | None = None
    next_bias_gradient: Tensor | None = None

    def __post_init__(self) -> None:
        check_tensor("weight", self.weight)
        if self.weight.ndim != 2:
            raise InvalidObservation(
                f"weight has shape {tuple(self.weight.shape)}; expected m x n with m, n >= 1."
            )
        self.with_sum(self.weight.new_zeros(len(self.weight)))

    def with_sum(self, bias_gradient: Tensor) -> LayerPair:
        """Return the pair with some combination of the columns of dL/dZ for dL/dc1 (m)."""
        bias = self.weight.new_zeros(len(self.weight)) if self.bias is None else self.bias
        return LayerPair(
            Observation(self.weight, bias, self.weight_gradient, bias_gradient),
            self.next_weight,
            self.next_weight_gradient,
            self.activation,
            self.next_bias_gradient,
        )

    def to(self, device: torch.device | str) -> "UnbiasedPair":
        """Return the same pair on another device."""
        moved = (
            None if each is None else each.to(device)
            for each in (self.bias, self.next_bias_gradient)
        )
        return UnbiasedPair(
            self.weight.to(device),
            self.weight_gradient.to(device),
            self.next_weight.to(device),
            self.next_weight_gradient.to(device),
            self.activation.to(device),
            *moved,
        )


@dataclass(frozen=True)
class Link:
    """Layer of a chain, with its parameters and their updates.

    Attributes:
        weight: W, m x n.
        bias: m entries; None if there is none.
        weight_gradient: dL/dW, m x n.
        bias_gradient: dL/dbias, m entries; None if there is none, or a frozen bias.
    """

    weight: Tensor
    bias: Tensor | None
    weight_gradient: Tensor
    bias_gradient: Tensor | None

    def to(self, device: torch.device | str) -> "Link":
        """Return the same link on another device."""
        return Link(
            self.weight.to(device),
            None if self.bias is None else self.bias.to(device),
            self.weight_gradient.to(device),
            None if self.bias_gradient is None else self.bias_gradient.to(device),
        )


@dataclass(frozen=True)
class LayerChain:
    """Linear layers in a row with elementwise activations between them, and the updates of all.

    Attributes:
        layers: of each layer its parameters and their updates. The last one may lack the update of
            its bias, which is then None.
        activations: sigma between each two layers, one fewer than layers.
        wanted: place of the layer whose inputs are of interest, counted from 0.
        to_loss: whether the last layer's outputs are the logits of a mean cross-entropy.
    """

    layers: tuple[Link, ...]
    activations: tuple[Elementwise, ...]
    wanted: int
    to_loss: bool = False

    def from_place(self, place: int) -> "LayerChain":
        """Return the chain without the layers before a place, where the inputs are wanted."""
        return LayerChain(self.layers[place:], self.activations[place:], 0, self.to_loss)

    def unbiased_pair(self, place: int) -> UnbiasedPair:
        """Return the pair of the layer at a place and the next one, without dL/dc1."""
        first, following = self.layers[place : place + 2]
        return UnbiasedPair(
            first.weight,
            first.weight_gradient,
            following.weight,
            following.weight_gradient,
            self.activations[place],
            first.bias,
            following.bias_gradient,
        )

    def pair(self, place: int) -> LayerPair:
        """Return the pair of the layer at a place, counted from 0, and the next one."""
        first, following = self.layers[place : place + 2]
        assert first.bias is not None
        assert first.bias_gradient is not None
        return LayerPair(
            Observation(first.weight, first.bias, first.weight_gradient, first.bias_gradient),
            following.weight,
            following.weight_gradient,
            self.activations[place],
            following.bias_gradient,
        )

    def to(self, device: torch.device | str) -> "LayerChain":
        """Return the same chain on another device."""
        return LayerChain(
            tuple(each.to(device) for each in self.layers),
            tuple(each.to(device) for each in self.activations),
            self.wanted,
            self.to_loss,
        )
