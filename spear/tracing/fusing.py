"""Functions of torch that appear in autograd's graph as several operations, or as none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.autograd.graph import Node
from torch.overrides import TorchFunctionMode

from spear.tracing.activations import Activation, operation, thresholded
from spear.tracing.neighbours import Neighbour, Station


@dataclass(frozen=True)
class Fused:
    """Several operations that a single function of torch performs.

    Attributes:
        neighbour: the function that they make together; None for the identity.
        source: node of their input; None if the input has none.
    """

    neighbour: Neighbour | None
    source: Node | None


def swish(node: Node) -> Fused | None:
    """Return x sigmoid(x) as a SiLU if this node is that product, else None."""
    sources = [source for source, _ in node.next_functions]
    if operation(node) != "Mul" or len(sources) != 2:  # one if the other factor is a number
        return None
    for gate, other in (sources, sources[::-1]):
        if gate is not None and operation(gate) == "Sigmoid" and gate.next_functions[0][0] is other:
            return Fused(Activation("silu"), other)
    return None


class Fusing(TorchFunctionMode):
    """Context that notes each call of a function whose nodes in autograd's graph do not reveal it.

    Attributes:
        found: node of the function's output -> the function.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[Node, Fused] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").strip("_")
        if name not in _FUSED or not (args or "input" in kwargs):
            return func(*args, **kwargs)
        values = dict(zip(_FUSED[name].arguments, args, strict=False)) | kwargs
        source = values["input"].grad_fn
        output = func(*args, **kwargs)
        if isinstance(output, Tensor) and output.grad_fn not in (None, source):
            self.found[output.grad_fn] = Fused(_FUSED[name].neighbour(values), source)
        return output


@dataclass(frozen=True)
class _Function:
    """Names of a function's first arguments, and what it is by their values."""

    arguments: tuple[str, ...]
    neighbour: Callable[[Mapping[str, Any]], Neighbour | None]


_DROPOUTS = (
    *("dropout", "dropout1d", "dropout2d", "dropout3d"),
    *("alpha_dropout", "feature_alpha_dropout", "feature_dropout"),
)
_FUSED = {
    "softsign": _Function(("input",), lambda _: Activation("softsign")),
    "tanhshrink": _Function(("input",), lambda _: Activation("tanhshrink")),
    "threshold": _Function(
        ("input", "threshold", "value"), lambda v: thresholded(v["threshold"], v["value"])
    ),
    **dict.fromkeys(
        _DROPOUTS,
        _Function(("input", "p"), lambda v: Station.DROPOUT if v.get("p", 0.5) > 0 else None),
    ),
}
