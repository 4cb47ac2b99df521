"""Attacks on one layer or two, as one call."""

from torch import Tensor

from spear.activations.elementwise import Elementwise
from spear.activations.named import elementwise
from spear.attack import Attack
from spear.errors import ConfigError, InvalidObservation
from spear.inversion import SpearIrls, SpearPair, SpearPairUnbiased
from spear.observation import LayerPair, Observation, UnbiasedPair
from spear.reconstruction import Reconstruction
from spear.tracing.activations import Activation


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


def invert_pair(
    weight: Tensor,
    bias: Tensor | None,
    weight_gradient: Tensor,
    bias_gradient: Tensor | None,
    activation: str | Elementwise,
    next_weight: Tensor,
    next_weight_gradient: Tensor,
    next_bias_gradient: Tensor | None = None,
    attack: Attack[LayerPair] | None = None,
    seed: int = 0,
) -> Reconstruction:
    """Reconstruct the batch of inputs to z = W1 x + c1, u = W2 sigma(z) + c2, for any sigma.

    Args:
        weight: W1, m x n, as it was when the gradient was computed.
        bias: c1, m; None if the layer has none.
        weight_gradient: dL/dW1, m x n.
        bias_gradient: dL/dc1, m; None if the layer has no bias or a frozen one. Then the activation
            fixes the length of each input: it has to be smooth, and K above the batch size.
        activation: sigma, by its name in `torch.nn.functional` with default arguments ("gelu"), or
            from `spear.activations`.
        next_weight: W2, K x m.
        next_weight_gradient: dL/dW2, K x m.
        next_bias_gradient: dL/dc2, K; None if the layer has no bias.
        attack: `spear.SpearPair()` unless given. Leave it out without a bias gradient:
            `spear.inversion.SpearPairUnbiased()` is then used.
        seed: the same seed gives the same result.

    Returns:
        As `invert`: `inputs` holds one reconstructed input a row, in arbitrary order, and `status`
        is `exact` if both gradients prove them right.

    Raises:
        InvalidObservation: a tensor is missing, not finite, or not shaped like the others.
        LayerError: there is no activation of that name.
        ConfigError: an attack is given, but no bias gradient.
    """
    sigma = elementwise(Activation(activation), {}) if isinstance(activation, str) else activation
    if bias_gradient is None:
        unbiased = UnbiasedPair(
            weight, weight_gradient, next_weight, next_weight_gradient, sigma, bias,
            next_bias_gradient,
        )  # fmt: skip
        if attack is not None:
            raise ConfigError("attack is given without a bias_gradient; leave it out.")
        return SpearPairUnbiased()(unbiased, seed=seed)
    if bias is None:
        raise InvalidObservation("bias is None, but there is a bias_gradient; expected both.")
    first = Observation(weight, bias, weight_gradient, bias_gradient)
    pair = LayerPair(first, next_weight, next_weight_gradient, sigma, next_bias_gradient)
    return (attack or SpearPair())(pair, seed=seed)
