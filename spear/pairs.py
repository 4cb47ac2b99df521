"""Layer pairs of a network: two linear layers with an elementwise activation between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from spear.activations.elementwise import Elementwise
from spear.activations.named import KNOWN, elementwise
from spear.errors import LayerError
from spear.layers import LinearLayer, numbered
from spear.observation import LayerPair, Observation
from spear.tracing.neighbours import described


@dataclass(frozen=True)
class Pair:
    """Two layers in a row.

    Attributes:
        first: the layer whose inputs are of interest.
        following: the linear layer that takes the activations of `first`, and alone does.
    """

    first: LinearLayer
    following: LinearLayer

    def activation(self, parameters: Mapping[str, Tensor]) -> Elementwise:
        """Return the activation between them.

        Args:
            parameters: the network's, by name.

        Raises:
            LayerError: its derivatives are not known.
        """
        assert self.first.activation is not None  # checked by `pair_at`
        return elementwise(self.first.activation, parameters)

    def observed(
        self, first: Observation, gradients: Mapping[str, Tensor], parameters: Mapping[str, Tensor]
    ) -> LayerPair:
        """Return what the server holds of both layers.

        Args:
            first: of the first layer.
            gradients: name of each parameter -> gradient; that of the second weight is among them.
            parameters: the network's, by name.

        Raises:
            LayerError: the derivatives of the activation are not known.
            InvalidObservation: the update of the second layer is not finite or not shaped like it.
        """
        following = self.following
        return LayerPair(
            first=first,
            next_weight=following.module.weight.detach(),
            next_weight_gradient=gradients[f"{following.name}.weight"],
            activation=self.activation(parameters),
            next_bias_gradient=gradients.get(f"{following.name}.bias"),
        )


def pair_at(layers: Sequence[LinearLayer], index: int) -> Pair:
    """Return the pair whose first layer is number `index`, counted from 1.

    Args:
        layers: of the network, from `spear.layers.linear_layers`.
        index: number of its first layer.

    Raises:
        LayerError: there is no such layer, it has no bias, or no elementwise activation and linear
            layer follow it.
    """
    first = numbered(layers, index)
    if first.module.bias is None:
        raise LayerError(
            f"layer {index} ({first.name}) has no bias, but the attack finds the scale of each "
            "input from the bias gradient (Theorem 3.5); attack a layer with a bias, or by "
            "spear_pair_unbiased."
        )
    return unbiased_pair_at(layers, index)


def unbiased_pair_at(layers: Sequence[LinearLayer], index: int) -> Pair:
    """Return the pair whose first layer is number `index`, which may lack a bias.

    Args:
        layers: of the network, from `spear.layers.linear_layers`.
        index: number of its first layer, counted from 1.

    Raises:
        LayerError: there is no such layer, or no elementwise activation and linear layer follow it.
    """
    first = numbered(layers, index)
    if not first.next or first.activation is None:
        starts = [each.index for each in layers if each.next and each.activation is not None]
        advice = f"choose one of {starts}" if starts else "no layer of the network has that"
        raise LayerError(
            f"layer is {index}, but {described(*first.after)} and then "
            f"{described(*first.beyond)} follow it; expected one elementwise activation and then a "
            f"linear layer that alone takes its outputs: {advice}."
        )
    following = next(each for each in layers if each.name == first.next)
    return Pair(first, following)


def is_pair(layer: LinearLayer) -> bool:
    """Return whether a layer with a bias is the first of a pair whose activation is known."""
    return layer.module.bias is not None and is_activated(layer)


def is_activated(layer: LinearLayer) -> bool:
    """Return whether a known activation and another linear layer follow a layer."""
    activation = layer.activation
    return bool(layer.next) and activation is not None and activation.name in KNOWN


def first_pair(layers: Sequence[LinearLayer]) -> int:
    """Return the number of the first layer that starts a pair, with a bias if any has one.

    Raises:
        LayerError: there is none.
    """
    for suits in (is_pair, is_activated):
        for layer in layers:
            if suits(layer):
                return layer.index
    raise LayerError(
        "the network has no linear layer that one elementwise activation and another linear layer "
        "follow; attack the whole network with spear.match_gradients (attack=geiping)."
    )
