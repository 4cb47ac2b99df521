"""Trace of a network: the path of its numbers, in order of execution, as autograd records it.

The network runs once, on any inputs. F.relu and nn.ReLU, in place or not, reshaped or not, look the
same in autograd's graph, and modules may be registered in any order.
"""

import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.parameter import is_lazy

from spear.errors import VictimError
from spear.probing import Call, copied, run, tensors, watching
from spear.tracing.activations import Activation
from spear.tracing.fusing import Fusing
from spear.tracing.graph import Graph
from spear.tracing.neighbours import Neighbour, Station

FAILURES = (RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError)
"""Errors by which a network refuses inputs."""


@dataclass(frozen=True)
class Passage:
    """A call of a layer: autograd's nodes of its input and output.

    Attributes:
        input, output: the nodes; None if a tensor has none.
        rows: number of rows that went through the layer.
    """

    input: Node | None
    output: Node | None
    rows: int


@dataclass(frozen=True)
class Trace:
    """A run of a network.

    Attributes:
        passages: each call of each `nn.Linear` that ran, by its name, in order of execution.
        graph: autograd's graph of the whole run.
        batch: number of inputs that the network was given.
    """

    passages: Mapping[str, list[Passage]]
    graph: Graph
    batch: int

    def before(self, name: str) -> set[Neighbour]:
        """Return the neighbours that the inputs of layer `name` come from."""
        return {
            Station.UNKNOWN if each.output is None else self.graph.before(each.input)
            for each in self.passages[name]
        }

    def after(self, name: str) -> tuple[set[Neighbour], set[Neighbour]]:
        """Return the neighbours that a layer's outputs go to, and the neighbours after those."""
        steps = [step for each in self.passages[name] for step in self.graph.after(each.output)]
        beyond = {later for _, node in steps for later, _ in self.graph.after(node)}
        return {neighbour for neighbour, _ in steps}, beyond

    def following(self, name: str) -> tuple[str, Activation | None] | None:
        """Return the only layer that a layer's outputs go to, and the activation between the two.

        The activation is None if there is none. The whole is None if the outputs go to several
        layers, are used otherwise, or pass through anything else.
        """
        (passage, *others) = self.passages[name]
        steps = list(self.graph.after(passage.output))
        if others or len(steps) != 1 or passage.output is None:
            return None
        ((neighbour, consumer),) = steps
        reached, activation = self.graph.same(passage.output), None
        if isinstance(neighbour, Activation) and consumer is not None:
            if not self.graph.takes(consumer, reached) or len(list(self.graph.after(consumer))) > 1:
                return None
            reached, activation = self.graph.same(consumer), neighbour
        entered = [
            other
            for other, passages in self.passages.items()
            for each in passages
            if each.input in reached
        ]
        return (entered[0], activation) if len(entered) == 1 else None


def trace(network: nn.Module, inputs: Any) -> Trace:
    """Run a network once and return the trace of this run.

    Args:
        network: in the mode in which the client trained it. Neither the network nor the global
            random state is changed.
        inputs: any batch (b x ...) that the network takes; several in a tuple or by name.

    Raises:
        VictimError: the network does not run on these inputs.
    """
    given = list(tensors(inputs))
    try:
        with (
            torch.random.fork_rng(devices={each.device for each in given if each.is_cuda}),
            warnings.catch_warnings(action="ignore"),  # the network's own run has them, too
        ):
            return _run(_stand_in(network), inputs)
    except FAILURES as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        shape = " and ".join(str(tuple(each.shape)) for each in given)
        raise VictimError(
            f"the network does not run on a batch of shape {shape} ({line}); give "
            "the shape of one of its inputs (input_shape), or a batch of them."
        ) from error


def _stand_in(network: nn.Module) -> nn.Module:
    """A copy that shares the memory of the parameters, all of which are differentiated."""
    memo: dict[int, Any] = {}
    for each in network.parameters():
        if not is_lazy(each):
            memo[id(each)] = nn.Parameter(each.detach(), each.is_floating_point())
    found: nn.Module = copied(network, memo)
    return found


def _run(network: nn.Module, inputs: Any) -> Trace:
    passages: dict[str, list[Passage]] = {}

    def see(call: Call) -> None:
        rows = call.output.numel() // call.output.shape[-1]
        passage = Passage(call.inputs.grad_fn, call.output.grad_fn, rows)
        passages.setdefault(call.name, []).append(passage)

    layers = {name: m for name, m in network.named_modules() if isinstance(m, nn.Linear)}
    batch = len(next(tensors(inputs)))
    inputs = _differentiable(inputs)
    with ExitStack() as stack:
        stack.enter_context(watching(layers, see))
        stack.enter_context(torch.enable_grad())
        fusing = stack.enter_context(Fusing())
        outputs = [each for each in tensors(run(network, inputs)) if each.requires_grad]
    names = {id(each): name for name, each in network.named_parameters()}
    return Trace(passages, Graph(outputs, fusing.found, names), batch)


def _differentiable(value: Any) -> Any:
    """Inputs that require a gradient; copies, because the network may work in place."""
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().clone().requires_grad_().clone()
    if isinstance(value, Mapping):
        return {key: _differentiable(each) for key, each in value.items()}
    return [*map(_differentiable, value)] if isinstance(value, tuple | list) else value
