"""Hooks that record or replace the inputs and outputs of a module while its network runs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Call:
    """A call of a module.

    Attributes:
        name: of the module, as given to the probe.
        module: the one that was called.
        args, kwargs: arguments that it received.
        output: value that it returned.
    """

    name: str
    module: nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any

    @property
    def inputs(self) -> Tensor:
        """Tensor that the module received, by position or by nn.Linear's keyword `input`."""
        found: Tensor = self.args[0] if self.args else self.kwargs["input"]
        return found


@contextmanager
def watching(modules: Mapping[str, nn.Module], see: Callable[[Call], Any]) -> Iterator[None]:
    """Within the context, show each call of these modules to a function.

    Args:
        modules: name -> module.
        see: called after the module; its return value replaces the module's output, unless None.
    """

    def hook(name: str) -> Callable[..., Any]:
        return lambda module, args, kwargs, out: see(Call(name, module, args, kwargs, out))

    with ExitStack() as stack:
        for name, module in modules.items():
            handle = module.register_forward_hook(hook(name), with_kwargs=True)
            stack.callback(handle.remove)
        yield


@contextmanager
def probe(modules: Mapping[str, nn.Module]) -> Iterator[list[Call]]:
    """Within the context, record each call of these modules in the order in which they run.

    The network goes on with a copy of each output, so that an in-place ReLU behind a linear layer
    leaves the recorded Z as it was. The recorded tensors are differentiable if the run is.

    Args:
        modules: name -> module that returns a tensor.

    Yields:
        The calls so far; the list grows while the network runs.
    """
    calls: list[Call] = []

    def see(call: Call) -> Tensor:
        calls.append(call)
        output: Tensor = call.output.clone()
        return output

    with watching(modules, see):
        yield calls


@contextmanager
def overriding_output(module: nn.Module, outputs: Tensor) -> Iterator[None]:
    """Within the context, the module returns a copy of `outputs`, whatever it receives."""
    with watching({"": module}, lambda _: outputs.clone()):
        yield


@contextmanager
def overriding_input(module: nn.Module, inputs: Tensor) -> Iterator[None]:
    """Within the context, the module receives `inputs` alone, whatever it is called with."""
    handle = module.register_forward_pre_hook(
        lambda *_: ((inputs,), {}),
        with_kwargs=True,
    )
    try:
        yield
    finally:
        handle.remove()


def run(network: nn.Module, inputs: Any) -> Any:
    """Return what a network returns for inputs: a tensor, a tuple or list of them, or by name."""
    if isinstance(inputs, Mapping):
        return network(**inputs)
    return network(*inputs) if isinstance(inputs, tuple | list) else network(inputs)


def tensors(value: Any, depth: int = 4) -> Iterator[Tensor]:
    """Yield the tensors in what a network takes or returns: containers, objects with attributes.

    Args:
        value: anything.
        depth: of the nesting that is looked into.
    """
    if isinstance(value, Tensor):
        yield value
        return
    if isinstance(value, Mapping):
        parts: Iterable[Any] = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        parts = value
    else:
        slots = (each for kind in type(value).__mro__ for each in getattr(kind, "__slots__", ()))
        named = [getattr(value, each) for each in slots if hasattr(value, each)]
        parts = [*named, *getattr(value, "__dict__", {}).values()]
    if depth > 0:
        for each in parts:
            yield from tensors(each, depth - 1)


def copied(network: nn.Module, memo: dict[int, Any] | None = None) -> Any:
    """Return a deep copy, also of a network that holds computed tensors, as a pruned one does.

    Args:
        network: any module.
        memo: id -> what takes the place of an object.
    """
    memo = dict(memo or {})
    for module in network.modules():
        held = (each for each in vars(module).values() if isinstance(each, Tensor))
        # deepcopy refuses results of a differentiable computation.
        memo |= {id(each): each.detach() for each in held if not each.is_leaf}
    return deepcopy(network, memo)


def layer_inputs(network: nn.Module, layer: nn.Module, inputs: Tensor) -> Tensor:
    """Return the inputs (b x n) of a layer's last call when the network runs on `inputs` (b x ...).

    They are differentiable in the network's inputs.
    """
    with probe({"": layer}) as calls:
        network(inputs)
    return calls[-1].inputs
