"""Whole attacks as one call, for gradients of your own."""

from collections.abc import Mapping

from torch import Tensor, nn

from spear.attack import Attack
from spear.baselines.gradient_matching.attack import GradientMatching
from spear.domain import Domain
from spear.inversion import SpearIrls
from spear.observation import Observation
from spear.reconstruction import Reconstruction
from spear.update import Update


def invert(
    weight: Tensor,
    bias: Tensor,
    weight_gradient: Tensor,
    bias_gradient: Tensor,
    attack: Attack[Observation] | None = None,
    seed: int = 0,
) -> Reconstruction:
    """Reconstruct the batch of inputs to a linear layer z = W x + b that a ReLU follows.

    For a layer that a ReLU precedes, give `attack=spear.SpearInput()`.

    Args:
        weight: W, m x n, as it was when the gradient was computed.
        bias: b, m.
        weight_gradient: dL/dW, m x n.
        bias_gradient: dL/db, m.
        attack: an attack on one layer; `spear.SpearIrls()` unless given.
        seed: the same seed gives the same result.

    Returns:
        `inputs` holds one reconstructed input a row (b x n), in arbitrary order. `status` is
        `exact` if they are proven right (`sparsity_matching` is 1, Definition 4.1), and
        `approximate` if they are as right as the noise in the gradients allows.

    Raises:
        InvalidObservation: a tensor is missing, not finite, or not shaped like the others.
    """
    observation = Observation(weight, bias, weight_gradient, bias_gradient)
    return (attack or SpearIrls())(observation, seed=seed)


def match_gradients(
    network: nn.Module,
    gradients: Mapping[str, Tensor],
    domain: Domain | tuple[int, ...],
    labels: Tensor | None = None,
    attack: Attack[Update] | None = None,
    loss: nn.Module | None = None,
    seed: int = 0,
) -> Reconstruction:
    """Estimate the batch of inputs to any network from the gradients of all its parameters.

    Nothing proves the estimate right, unlike that of `invert`. No ReLU is needed, but the default
    attack needs the labels, and it takes longer.

    Args:
        network: as it was when the gradients were computed, in evaluation mode. It is not changed.
        gradients: name, as in `network.named_parameters()`, -> gradient. Frozen parameters are
            left out.
        domain: shape and range of the network's inputs, or only the shape of one of them.
        labels: b class indices, which the default attack must know.
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
    update = Update(network, dict(gradients), loss or nn.CrossEntropyLoss(), domain, labels)
    chosen = attack or GradientMatching()
    return chosen(chosen.observe(update), seed=seed)
