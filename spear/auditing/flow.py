"""Where each linear layer stands in a network, by what its numbers go through.

The network runs once, on any inputs, and autograd records every operation: F.relu and nn.ReLU, in
place or not, reshaped or not, look the same there.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.modules.dropout import _DropoutNd

from spear.errors import VictimError

RESHAPED: tuple[str, ...] = ("View", "UnsafeView", "Reshape", "ReshapeAlias", "Alias", "Flatten")
RESHAPED += ("Squeeze", "Unsqueeze", "T", "Transpose", "Permute", "Clone", "ToCopy", "Expand")
POOLED = ("MaxPool1D", "MaxPool2DWithIndices", "MaxPool3DWithIndices")
"""What keeps the zeros and the signs of a ReLU's outputs; see `networks.KEEP_ZEROS`."""

RELU = "a ReLU"
INPUTS = "the network's inputs"
OUTPUTS = "the network's outputs"
DROPOUT = "dropout in training mode"
UNKNOWN = "something unknown"

ACTIVATIONS = {
    "Gelu": "a GELU",
    "Silu": "a SiLU",
    "Elu": "an ELU",
    "LeakyRelu": "a leaky ReLU",
    "PreluKernel": "a PReLU",
    "Hardtanh": "a ReLU6 or hard tanh",
    "Tanh": "a tanh",
    "Sigmoid": "a sigmoid",
    "Softplus": "a softplus",
}
NONLINEAR = tuple(ACTIVATIONS.values())
"""Other activations than a ReLU."""

WORDS = ACTIVATIONS | {
    "NativeBatchNorm": "batch norm",
    "NativeLayerNorm": "layer norm",
    "LogSoftmax": "a softmax",
    "Softmax": "a softmax",
    "Addmm": "another linear layer",
    "Mm": "another linear layer",
    "Mul": "a multiplication (functional dropout, a gate)",
    "Add": "a sum (a skip connection)",
    "Cat": "a concatenation",
    "Convolution": "a convolution",
    "AdaptiveAvgPool2D": "average pooling",
    "AvgPool2D": "average pooling",
    "Mean": "average pooling",
}
"""Names of autograd's operations, for people."""


@dataclass(frozen=True)
class Flow:
    """What stands on both sides of a linear layer.

    Attributes:
        name: of the layer, as in `named_modules()`.
        module: the layer.
        before: what its inputs come out of (`RELU`, `INPUTS`, or other words).
        after: what its outputs go into, likewise; several things joined by "and".
        beyond: what comes after that, likewise.
        calls: how often it ran.
        positions: inputs of the layer for each of the network's: more than 1 in sequences.
    """

    name: str
    module: nn.Linear
    before: str
    after: str
    beyond: str
    calls: int
    positions: int


def trace(network: nn.Module, inputs: Tensor) -> list[Flow]:
    """The flow around each `nn.Linear` that runs, in the order of registration.

    Args:
        network: in the mode in which the client trained it. It is not changed.
        inputs: any batch (b x ...) that it takes.

    Raises:
        VictimError: the network does not run on these inputs.
    """
    copied = deepcopy(network)
    copied.requires_grad_()
    seen = {module: _Seen() for module in copied.modules() if isinstance(module, nn.Linear)}
    dropouts: set[Node | None] = set()
    hooks = [module.register_forward_hook(_recorder(each)) for module, each in seen.items()]
    for module in copied.modules():
        if isinstance(module, _DropoutNd) and module.training and module.p > 0:
            hooks.append(module.register_forward_hook(lambda *a: dropouts.add(a[2].grad_fn)))
    try:
        with torch.enable_grad():
            outputs = list(_tensors(copied(_recorded(inputs))))
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise VictimError(
            f"the network does not run on a batch of shape {tuple(inputs.shape)} ({line}); give "
            "the shape of one of its inputs (input_shape), or a batch of them."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    graph = _Graph(outputs, dropouts)
    named = dict(network.named_modules())
    return [
        _flow(name, named[name], seen[module], graph, len(inputs))
        for name, module in copied.named_modules()
        if isinstance(module, nn.Linear) and seen[module].outputs
    ]


def _recorded(inputs: Tensor) -> Tensor:
    """A copy of the inputs, of which autograd records what becomes of it, in place or not."""
    if not inputs.is_floating_point():
        return inputs
    return inputs.detach().clone().requires_grad_().clone()


@dataclass
class _Seen:
    """Autograd's nodes on both sides of a layer, one of each a call, and the shape of the last."""

    inputs: list[Node | None] = field(default_factory=list)
    outputs: list[Node | None] = field(default_factory=list)
    rows: int = 0


def _recorder(seen: _Seen) -> Any:
    def record(module: nn.Linear, args: tuple[Tensor, ...], output: Tensor) -> None:
        seen.inputs.append(args[0].grad_fn)
        seen.outputs.append(output.grad_fn)
        seen.rows = output.numel() // output.shape[-1]

    return record


def _tensors(value: Any) -> Iterator[Tensor]:
    """The differentiable tensors in what a network returns."""
    if isinstance(value, Tensor) and value.requires_grad:
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            yield from _tensors(each)


class _Graph:
    """Autograd's graph, to be walked both ways."""

    def __init__(self, outputs: list[Tensor], dropouts: set[Node | None]) -> None:
        self.dropouts = dropouts
        self._consumers: dict[Node, list[Node]] = {}
        self._ends = {each.grad_fn for each in outputs}
        open_ = [each for each in self._ends if each is not None]
        visited = set(open_)
        while open_:
            node = open_.pop()
            for source, _ in node.next_functions:
                if source is None:
                    continue
                self._consumers.setdefault(source, []).append(node)
                if source not in visited:
                    visited.add(source)
                    open_.append(source)

    def after(self, node: Node | None) -> Iterator[tuple[str, Node | None]]:
        """What the result of a node goes into, reshaped or not: in words, and its node."""
        if node is None:
            return
        if node in self._ends:
            yield OUTPUTS, None
        for consumer in self._consumers.get(node, []):
            if _operation(consumer) in RESHAPED and consumer not in self.dropouts:
                yield from self.after(consumer)
            else:
                yield self._words(consumer), consumer

    def before(self, node: Node | None) -> str:
        """What a node's result comes out of, reshaped, pooled or dropped or not."""
        while node is not None:
            passes = _operation(node) in (*RESHAPED, *POOLED) or node in self.dropouts
            if not passes:
                return self._words(node)
            node = node.next_functions[0][0]
        return INPUTS

    def _words(self, node: Node) -> str:
        if node in self.dropouts:
            return DROPOUT
        operation = _operation(node)
        if operation == "AccumulateGrad":
            return INPUTS
        if operation == "Relu" or (operation == "ClampMin" and _is_zero(node)):
            return RELU
        if operation == "NativeBatchNorm" and getattr(node, "_saved_training", False):
            return "batch norm in training mode"
        return WORDS.get(operation, f"the operation {operation!r}")


def _operation(node: Node) -> str:
    return node.name().split("::")[-1].rstrip("0123456789").removesuffix("Backward")


def _is_zero(node: Node) -> bool:
    return float(getattr(node, "_saved_min", 1.0) or 0.0) == 0.0


def _flow(name: str, module: Any, seen: _Seen, graph: _Graph, batch: int) -> Flow:
    following = [each for output in seen.outputs for each in graph.after(output)]
    beyond = [each for _, node in following for each in graph.after(node)]
    return Flow(
        name=name,
        module=module,
        before=_joined(graph.before(each) for each in seen.inputs),
        after=_joined(words for words, _ in following) or "nothing",
        beyond=_joined(words for words, _ in beyond) or "nothing",
        calls=len(seen.outputs),
        positions=max(1, seen.rows // batch),
    )


def _joined(words: Any) -> str:
    return " and ".join(sorted(set(words)))
