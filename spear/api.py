"""The whole attack as one call, for a gradient of your own."""

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
        attack: how; `spear.SpearIrls()` unless given.
        seed: the same seed gives the same result.

    Returns:
        `inputs` holds one reconstructed input a row, in arbitrary order; `status` is `exact` when
        they are proven right (`sparsity_matching` is 1), and `approximate` when they are as right
        as the noise in the gradients allows.

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

    For comparison with `invert`, which is exact; this needs no ReLU, but the labels, and time.

    Args:
        network: as it was when the gradients were computed, in evaluation mode. It is not changed.
        gradients: name, as in `network.named_parameters()`, -> gradient. Without those of frozen
            parameters.
        domain: of the network's inputs; the shape of one of them if they have no bounds.
        labels: b class indices, which the default attack must know.
        attack: how; `spear.GradientMatching()`, the paper's baseline, unless given.
        loss: maps (outputs, labels) to the scalar whose gradients these are; the mean
            cross-entropy unless given.
        seed: the same seed gives the same result.

    Returns:
        `inputs` holds one estimated input a row, flattened, in arbitrary order.

    Raises:
        VictimError: the network cannot be attacked like this; the message says which part of it.
        InvalidObservation: the gradients do not fit the network, or the labels are missing.
    """
    if not isinstance(domain, Domain):
        domain = Domain.unbounded(domain)
    update = Update(network, dict(gradients), loss or nn.CrossEntropyLoss(), domain, labels)
    chosen = attack or GradientMatching()
    return chosen(chosen.observe(update), seed=seed)
