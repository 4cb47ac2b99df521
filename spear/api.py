"""The whole attack as one call, for a gradient of your own."""

from torch import Tensor

from spear.attack import Attack
from spear.inversion.irls.attack import SpearIrls
from spear.observation import Observation
from spear.reconstruction import Reconstruction


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
