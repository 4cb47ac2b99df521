"""Neighbours of a layer: activations, and other operations and places in a network."""

from dataclasses import dataclass
from enum import Enum

from spear.tracing.activations import Activation


class Station(Enum):
    """Neighbour of a layer that is no elementwise activation; its value is in words for people."""

    INPUTS = "the network's inputs"
    OUTPUTS = "the network's outputs"
    UNKNOWN = "something unknown"
    DROPOUT = "dropout in training mode"
    BATCH_STATISTICS = "batch norm in training mode"
    BATCH_NORM = "batch norm"
    LAYER_NORM = "layer norm"
    SOFTMAX = "a softmax"
    LINEAR = "another linear layer"
    PRODUCT = "a multiplication (a gate, a mask)"
    SUM = "a sum (a skip connection)"
    CONCATENATION = "a concatenation"
    CONVOLUTION = "a convolution"
    AVERAGE_POOLING = "average pooling"
    MAX_POOLING = "max-pooling"


@dataclass(frozen=True)
class Operation:
    """Operation that is known only by autograd's name for it."""

    name: str


Neighbour = Station | Activation | Operation


def described(*neighbours: Neighbour) -> str:
    """Return words for the neighbours on one side of a layer; "nothing" without any."""
    return " and ".join(sorted(map(_words, neighbours))) or "nothing"


def _words(neighbour: Neighbour) -> str:
    if isinstance(neighbour, Station):
        return neighbour.value
    if isinstance(neighbour, Activation):
        return neighbour.words
    return f"the operation {neighbour.name!r}"
