"""Hooks that record or replace the inputs and outputs of a module while its network runs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
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


def layer_inputs(network: nn.Module, layer: nn.Module, inputs: Tensor) -> Tensor:
    """Return the inputs (b x n) of a layer's last call when the network runs on `inputs` (b x ...).

    They are differentiable in the network's inputs.
    """
    with probe({"": layer}) as calls:
        network(inputs)
    return calls[-1].inputs
