"""Elementwise activations by name, recognised from the nodes of autograd's graph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch.autograd.graph import Node

Setting = float | str


@dataclass(frozen=True, init=False)
class Activation:
    """An elementwise function, named as in `torch.nn.functional`, and its arguments.

    `Activation("gelu", approximate="tanh")` equals any other of that name and these arguments,
    whether a module or a function applies it, in place or not.

    Attributes:
        name: e.g. "relu", "leaky_relu", "gelu".
        settings: name and value of each argument, defaults included, sorted by name. The `weight`
            of "prelu" is the name of the parameter that holds the slopes, as in
            `named_parameters()`; it is empty if the slopes are not a parameter.
    """

    name: str
    settings: tuple[tuple[str, Setting], ...]

    def __init__(self, name: str, **settings: Setting) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "settings", tuple(sorted(settings.items())))

    def __getitem__(self, setting: str) -> Setting:
        """Return the value of an argument.

        Raises:
            KeyError: the activation has no such argument.
        """
        return dict(self.settings)[setting]

    @property
    def words(self) -> str:
        """Name of the activation for people, with its article, such as "a ReLU"."""
        return _WORDS.get(self.name, f"a {self.name}")


RELU = Activation("relu")
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

_WORDS = {
    "relu": "a ReLU",
    "relu6": "a ReLU6",
    "gelu": "a GELU",
    "silu": "a SiLU",
    "elu": "an ELU",
    "celu": "a CELU",
    "selu": "a SELU",
    "leaky_relu": "a leaky ReLU",
    "rrelu": "a random leaky ReLU",
    "prelu": "a PReLU",
    "hardtanh": "a hard tanh",
    "hardswish": "a hard swish",
    "hardsigmoid": "a hard sigmoid",
    "logsigmoid": "a log-sigmoid",
    "mish": "a Mish",
    "abs": "an absolute value",
    "exp": "an exponential",
    "erf": "an error function",
    "atan": "an arctangent",
}

_PLAIN = {
    "Relu": "relu",
    "Silu": "silu",
    "Mish": "mish",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "LogSigmoid": "logsigmoid",
    "Hardswish": "hardswish",
    "Hardsigmoid": "hardsigmoid",
    "Sin": "sin",
    "Cos": "cos",
    "Exp": "exp",
    "Abs": "abs",
    "Erf": "erf",
    "Atan": "atan",
}
"""Autograd's names of functions without arguments, and those of torch.nn.functional or torch."""

_WITH_SETTINGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Gelu": ("gelu", ("approximate",)),
    "Celu": ("celu", ("alpha",)),
    "LeakyRelu": ("leaky_relu", ("negative_slope",)),
    "Softplus": ("softplus", ("beta", "threshold")),
    "Hardshrink": ("hardshrink", ("lambd",)),
    "Softshrink": ("softshrink", ("lambd",)),
}
"""Likewise, with the arguments that autograd saves."""


def operation(node: Node) -> str:
    """Return autograd's name of the operation at a node, such as "Relu" for ReluBackward0."""
    return node.name().split("::")[-1].rstrip("0123456789").removesuffix("Backward")


def recognised(node: Node, parameters: Mapping[int, str]) -> Activation | None:
    """Return the activation at a node of autograd's graph; None if it is no known activation.

    Args:
        node: of autograd's graph.
        parameters: id -> name of each of the network's parameters, to name PReLU's slopes.
    """
    name = operation(node)
    if name in _PLAIN:
        return Activation(_PLAIN[name])
    if name in _WITH_SETTINGS:
        known, settings = _WITH_SETTINGS[name]
        return Activation(known, **{each: _saved(node, each) for each in settings})
    if name == "PreluKernel":
        return Activation("prelu", weight=_slopes(node, parameters))
    return _SPECIAL[name](node) if name in _SPECIAL else None


def clipped(low: Any, high: Any) -> Activation | None:
    """Return the activation that clips to [low, high]; None if it has no name.

    Args:
        low, high: the bounds; None for no bound.
    """
    if not isinstance(low, int | float) or (float(low) != 0.0 and high is None):
        return None
    if high is None:
        return RELU
    if (low, high) == (0, 6):
        return Activation("relu6")
    return Activation("hardtanh", min_val=float(low), max_val=float(high))


def thresholded(threshold: float, value: float) -> Activation:
    """Return the activation x -> x above a threshold and x -> value elsewhere.

    It is `torch.nn.functional.threshold`, or the ReLU if both arguments are 0.
    """
    if threshold == value == 0:
        return RELU
    return Activation("threshold", threshold=float(threshold), value=float(value))


def _saved(node: Node, name: str) -> Any:
    value = getattr(node, f"_saved_{name}", None)
    return float(value) if isinstance(value, int | float) else value


def _slopes(node: Node, parameters: Mapping[int, str]) -> str:
    """Name of the parameter that PReLU's slopes are, reshaped to its inputs."""
    source = node.next_functions[1][0]
    while source is not None and operation(source) == "View":
        source = source.next_functions[0][0]
    return parameters.get(id(getattr(source, "variable", None)), "")


def _elu(node: Node) -> Activation | None:
    alpha, scale, inner = (_saved(node, each) for each in ("alpha", "scale", "input_scale"))
    if (alpha, scale, inner) == (SELU_ALPHA, SELU_SCALE, 1.0):
        return Activation("selu")
    return Activation("elu", alpha=alpha) if scale == inner == 1.0 else None


def _rrelu(node: Node) -> Activation:
    lower, upper = _saved(node, "lower"), _saved(node, "upper")
    if getattr(node, "_saved_training", True):
        return Activation("rrelu", lower=lower, upper=upper)
    return Activation("leaky_relu", negative_slope=(lower + upper) / 2)


_SPECIAL: dict[str, Callable[[Node], Activation | None]] = {
    "Elu": _elu,
    "RreluWithNoise": _rrelu,
    "ClampMin": lambda node: clipped(_saved(node, "min"), None),
    "Clamp": lambda node: clipped(_saved(node, "min"), _saved(node, "max")),
    "Hardtanh": lambda node: clipped(_saved(node, "min_val"), _saved(node, "max_val")),
}
