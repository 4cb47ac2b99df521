"""Activations of the hidden layers: two by name, any other as a module."""

from copy import deepcopy

from torch import nn

from spear.errors import ConfigError

ACTIVATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}
"""Activations that have a name: name -> class."""


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
        raise ConfigError(
            f"activation is {activation!r}; expected one of {', '.join(ACTIVATIONS)}, or a module "
            "(in a configuration, the _target_ of its class)."
        )
    return ACTIVATIONS[activation]()
