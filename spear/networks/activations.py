"""Activations of the hidden layers: the usual ones by name, any other as a module."""

import difflib
from collections.abc import Callable
from copy import deepcopy
from functools import partial

from torch import nn

from spear.errors import ConfigError

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
        close = difflib.get_close_matches(str(activation), ACTIVATIONS, n=1)
        near = f"did you mean {close[0]!r}? E" if close else "e"
        raise ConfigError(
            f"activation is {activation!r}; {near}xpected one of "
            f"{', '.join(ACTIVATIONS)}, or a module "
            "(in a configuration, the _target_ of its class)."
        )
    return ACTIVATIONS[activation]()
