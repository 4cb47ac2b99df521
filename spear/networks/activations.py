"""Activations of the hidden layers: the usual ones by name, any other as a module."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial

from torch import nn

from spear.errors import ConfigError
from spear.spelling import did_you_mean

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "relu6": nn.ReLU6,
    "hardtanh": nn.Hardtanh,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "celu": nn.CELU,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
    "gelu_tanh": partial(nn.GELU, approximate="tanh"),
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "hardswish": nn.Hardswish,
}
"""Name -> module with PyTorch's default arguments."""


def activated_by(activation: str | nn.Module) -> nn.Module:
    """Return a new activation, for one layer.

    Args:
        activation: one of `ACTIVATIONS`, or a module, of which the layer gets a copy; a
            configuration names its class as `network.activation._target_`.

    Raises:
        ConfigError: it is no module, and no activation has this name.
    """
    if isinstance(activation, nn.Module):
        return deepcopy(activation)
    if activation not in ACTIVATIONS:
        expected = (
            f"expected one of {', '.join(ACTIVATIONS)}, or a module "
            "(in a configuration, the _target_ of its class)"
        )
        raise ConfigError(
            f"activation is {activation!r}; {did_you_mean(activation, ACTIVATIONS, expected)}."
        )
    return ACTIVATIONS[activation]()
