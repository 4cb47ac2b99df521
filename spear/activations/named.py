"""Activations by the name and settings that tracing finds."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from spear.activations.elementwise import Elementwise
from spear.activations.exponential import CELU, ELU, SELU, Softplus
from spear.activations.piecewise import Hardtanh, LeakyReLU, PReLU, ReLU, ReLU6
from spear.activations.smooth import GELU, Hardswish, Mish, Sigmoid, SiLU, Tanh
from spear.errors import LayerError
from spear.tracing.activations import Activation

KNOWN: dict[str, Callable[..., Elementwise]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "prelu": PReLU,
    "relu6": ReLU6,
    "hardtanh": Hardtanh,
    "elu": ELU,
    "selu": SELU,
    "celu": CELU,
    "softplus": Softplus,
    "gelu": GELU,
    "silu": SiLU,
    "mish": Mish,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
    "hardswish": Hardswish,
}
"""Name, as in `torch.nn.functional`, -> class, which takes the activation's settings."""


def elementwise(activation: Activation, parameters: Mapping[str, Tensor]) -> Elementwise:
    """Return the function that an activation of a network stands for.

    Args:
        activation: as `spear.layers.linear_layers` finds it between two layers.
        parameters: the network's, by name; PReLU's slopes are among them.

    Raises:
        LayerError: there is no class for this activation, or its slopes are not in `parameters`.
    """
    if activation.name not in KNOWN:
        raise LayerError(
            f"the activation is {activation.words}, whose derivatives are not known; expected one "
            f"of {', '.join(KNOWN)}."
        )
    settings: dict[str, Any] = dict(activation.settings)
    if "weight" in settings:
        settings["weight"] = _slopes(settings["weight"], parameters)
    return KNOWN[activation.name](**settings)


def _slopes(name: str, parameters: Mapping[str, Tensor]) -> Tensor:
    if name not in parameters:
        missing = f"{name!r}, which is not among those given" if name else "none of the network's"
        raise LayerError(
            f"the parameter that holds the slopes of a PReLU is {missing}; expected slopes that "
            "are a parameter of the network, as nn.PReLU has them."
        )
    return parameters[name]
