"""Attacks on a whole network, as one call."""

from typing import Any

from torch import Tensor, nn

from spear.attack import Attack
from spear.baselines.gradient_matching.attack import GradientMatching
from spear.domain import Domain
from spear.inversion import SpearNetwork
from spear.naming import unwrapped
from spear.observation import LayerChain, LayerPair, UnbiasedPair
from spear.pairs import first_pair
from spear.reading import Shared, labels_as_tensor, read
from spear.reconstruction import Reconstruction
from spear.update import Update


def invert_network(
    network: nn.Module,
    gradients: Shared,
    domain: Domain | tuple[int, ...],
    layer: int | None = None,
    attack: Attack[LayerChain] | Attack[LayerPair] | Attack[UnbiasedPair] | None = None,
    seed: int = 0,
) -> Reconstruction:
    """Reconstruct the inputs of a layer of any network from the gradients of its parameters.

    Args:
        network: with the parameters for which the gradients were computed.
        gradients: name -> gradient, named as in `network.named_parameters()`, or a list in the
            order of `network.parameters()`.
        domain: shape of one input of the network, or its domain.
        layer: number of the linear layer, counted from 1; None takes the first that an elementwise
            activation and a linear layer follow.
        attack: `spear.SpearNetwork(layer)` unless given. It solves the easiest layer pair in a row
            with the layer; all layers have biases, or none has. In two cases it takes the gradients
            for those of a mean cross-entropy, and `details` says so: only the loss tells lengths
            (without biases), or inputs behind a hardtanh have no kink.
        seed: the same seed gives the same result.

    Returns:
        As `invert_pair`; the inputs are those of the layer.

    Raises:
        LayerError: there is no such layer, or it belongs to no layer pair that is trained.
        InvalidObservation: the gradients do not fit the network.
        VictimError: the network does not take inputs of that shape.
    """
    if not isinstance(domain, Domain):
        domain = Domain.unbounded(domain)
    network = unwrapped(network)
    update = Update(network, _own(network, gradients), nn.CrossEntropyLoss(), domain)
    chosen: Attack[Any] = attack or SpearNetwork(
        first_pair(update.layers) if layer is None else layer
    )
    return chosen(chosen.observe(update), seed=seed)


def match_gradients(
    network: nn.Module,
    gradients: Shared,
    domain: Domain | tuple[int, ...],
    labels: Any = None,
    attack: Attack[Update] | None = None,
    loss: nn.Module | None = None,
    seed: int = 0,
) -> Reconstruction:
    """Estimate the batch of inputs to any network from the gradients of all its parameters.

    Nothing proves the estimate right, unlike that of `invert`. No ReLU is needed, but the default
    attack needs the labels, and it takes longer.

    Args:
        network: as it was when the gradients were computed, in evaluation mode. It is not changed.
        gradients: name, as in `network.named_parameters()`, -> gradient, or a list in the order of
            `network.parameters()`; tensors or arrays of any precision. Frozen parameters are left
            out.
        domain: shape and range of the network's inputs, or only the shape of one of them.
        labels: b class indices, as a tensor, an array or a list; the default attack must know them.
        attack: an attack on a whole update; `spear.GradientMatching()`, the paper's baseline,
            unless given.
        loss: maps (outputs, labels) to the scalar whose gradients these are; the mean
            cross-entropy unless given.
        seed: the same seed gives the same result.

    Returns:
        `inputs` holds one estimated input a row, flattened, in arbitrary order.

    Raises:
        VictimError: the network cannot be attacked like this; the message names the part of it
            that prevents it.
        InvalidObservation: the gradients do not fit the network, or the labels are missing.
    """
    if not isinstance(domain, Domain):
        domain = Domain.unbounded(domain)
    network = unwrapped(network)
    own = _own(network, gradients)
    known = None if labels is None else labels_as_tensor(labels)
    update = Update(network, own, loss or nn.CrossEntropyLoss(), domain, known)
    chosen = attack or GradientMatching()
    return chosen(chosen.observe(update), seed=seed)


def _own(network: nn.Module, gradients: Shared) -> dict[str, Tensor]:
    """Gradients by the network's names, in its precision and on its device."""
    parameters = dict(network.named_parameters())
    found = read(network, gradients, form="gradients").gradients
    return {name: each.to(parameters[name]) for name, each in found.items()}
