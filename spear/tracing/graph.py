"""Autograd's graph of a run of a network, walked from layer to layer."""

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node

from spear.tracing.activations import operation, recognised
from spear.tracing.fusing import Fused, swish
from spear.tracing.neighbours import Neighbour, Operation, Station

ORDERED = (
    *("View", "UnsafeView", "Reshape", "ReshapeAlias", "Flatten", "Squeeze", "Unsqueeze"),
    *("Alias", "Clone", "ToCopy"),
)
"""Operations that keep every number, and the order of the numbers."""
RESHAPED = (*ORDERED, "T", "Transpose", "Permute", "Expand")
POOLED = (
    *("MaxPool1D", "MaxPool2DWithIndices", "MaxPool3DWithIndices"),
    *("AdaptiveMaxPool2D", "AdaptiveMaxPool3D"),
)
"""Operations that keep the zeros and the signs of a ReLU's outputs."""

_STATIONS = {
    "NativeLayerNorm": Station.LAYER_NORM,
    "LogSoftmax": Station.SOFTMAX,
    "Softmax": Station.SOFTMAX,
    "Addmm": Station.LINEAR,
    "Mm": Station.LINEAR,
    "Mul": Station.PRODUCT,
    "Add": Station.SUM,
    "Cat": Station.CONCATENATION,
    "Convolution": Station.CONVOLUTION,
    "AdaptiveAvgPool2D": Station.AVERAGE_POOLING,
    "AvgPool2D": Station.AVERAGE_POOLING,
    "Mean": Station.AVERAGE_POOLING,
    "AccumulateGrad": Station.INPUTS,
    **dict.fromkeys(POOLED, Station.MAX_POOLING),
}
_BATCH_NORMS = ("NativeBatchNorm", "CudnnBatchNorm", "MiopenBatchNorm")


def _untold(node: Node, name: str) -> bool:
    """Return whether an operation may be an activation that its node does not tell.

    It is a function of the user's own, or a mask, as in x * (x > 0).
    """
    masked = name == "Mul" and any(source is None for source, _ in node.next_functions)
    return masked or isinstance(node, BackwardCFunction)


class Graph:
    """Autograd's graph of a run, walked towards the inputs and towards the outputs.

    Args:
        outputs: tensors that the network returned.
        fused: node of a function's output -> the function (`Fusing.found`).
        parameters: id -> name of each parameter of the network.
    """

    def __init__(
        self, outputs: list[Tensor], fused: Mapping[Node, Fused], parameters: Mapping[int, str]
    ) -> None:
        self._fused = fused
        self._parameters = parameters
        self._consumers: dict[Node, list[Node]] = {}
        self._ends = {each.grad_fn for each in outputs}
        open_ = [each for each in self._ends if each is not None]
        visited = set(open_)
        while open_:
            node = open_.pop()
            for source in self._sources(node):
                self._consumers.setdefault(source, []).append(node)
                if source not in visited:
                    visited.add(source)
                    open_.append(source)

    def after(self, node: Node | None) -> Iterator[tuple[Neighbour, Node | None]]:
        """Yield each neighbour that a node's result goes to, reshaped or not, and its node."""
        if node is None:
            return
        if node in self._ends:
            yield Station.OUTPUTS, None
        for consumer in self._consumers.get(node, []):
            if self._passes(consumer, RESHAPED):
                yield from self.after(consumer)
            else:
                yield self._neighbour(consumer), consumer

    def before(self, node: Node | None) -> Neighbour:
        """Return the neighbour that a node's result comes from.

        Reshaping, max-pooling and dropout in between are passed over.
        """
        while node is not None:
            neighbour = self._neighbour(node)
            passes = self._passes(node, (*RESHAPED, *POOLED)) or neighbour is Station.DROPOUT
            if not passes:
                return neighbour
            node = next(self._sources(node), None)
        return Station.INPUTS

    def same(self, node: Node) -> set[Node]:
        """Return the nodes whose results have the same numbers as `node`'s, in the same order."""
        found, open_ = {node}, [node]
        while open_:
            for consumer in self._consumers.get(open_.pop(), []):
                if self._passes(consumer, ORDERED) and consumer not in found:
                    found.add(consumer)
                    open_.append(consumer)
        return found

    def takes(self, node: Node, sources: set[Node]) -> bool:
        """Return whether a node's operation takes the result of one of `sources`."""
        return any(source in sources for source in self._sources(node))

    def _sources(self, node: Node) -> Iterator[Node]:
        fused = self._fusion(node)
        found = [fused.source] if fused else [source for source, _ in node.next_functions]
        return (source for source in found if source is not None)

    def _fusion(self, node: Node) -> Fused | None:
        return self._fused.get(node) or swish(node)

    def _passes(self, node: Node, operations: Sequence[str]) -> bool:
        fused = self._fusion(node)
        return fused.neighbour is None if fused else operation(node) in operations

    def _neighbour(self, node: Node) -> Neighbour:
        fused = self._fusion(node)
        if fused and fused.neighbour:
            return fused.neighbour
        name = operation(node)
        if name in _BATCH_NORMS:
            training = getattr(node, "_saved_training", False)
            return Station.BATCH_STATISTICS if training else Station.BATCH_NORM
        if _untold(node, name):
            return Station.UNKNOWN
        known = recognised(node, self._parameters) or _STATIONS.get(name)
        return known or Operation(name)
