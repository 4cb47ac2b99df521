"""Models in PyTorch's own layers, so that tracing sees what `transformers` writes differently.

GPT-2 keeps each weight transposed, in a layer named `Conv1D`, and writes its GELU as a formula.
Both are recognised by the names of their classes: nothing of the library is imported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from spear.probing import copied
from spear.reading import Shared, read

TANH_GELUS = ("NewGELUActivation", "FastGELUActivation", "GELUTanh", "PytorchGELUTanh")
"""Classes of the GELU with a hyperbolic tangent."""

TRANSPOSED = "Conv1D"
"""Class of a linear layer whose weight is n x m."""


@dataclass(frozen=True)
class Standard:
    """A copy of a model in PyTorch's own layers. It shares the memory of the parameters.

    Attributes:
        network: the copy; modules and parameters have the names of the model's.
        original: the model.
        transposed: names of the weights that the copy holds transposed.
    """

    network: nn.Module
    original: nn.Module
    transposed: frozenset[str]

    def gradients(self, shared: Shared) -> dict[str, Tensor]:
        """Return the gradients of the model as those of the copy.

        Args:
            shared: name -> gradient as in `original.named_parameters()`, or a list in the order of
                `original.parameters()`.

        Raises:
            InvalidObservation: the gradients do not fit the model.
        """
        like = dict(self.network.named_parameters())
        found = read(self.original, shared, form="gradients").gradients
        turned = {k: each.T if k in self.transposed else each for k, each in found.items()}
        return {name: each.to(like[name]) for name, each in turned.items()}


def is_standard(model: nn.Module) -> bool:
    """Tell whether a model consists of PyTorch's own layers as far as `standard` changes any."""
    written = (TRANSPOSED, *TANH_GELUS)
    return not any(type(each).__name__ in written for each in model.modules())


def standard(model: nn.Module) -> Standard:
    """Return a copy of a model in PyTorch's own layers, in the model's mode.

    Args:
        model: of `transformers` or not; it is not changed.
    """
    memo: Mapping[int, Any] = {
        id(each): nn.Parameter(each.detach(), each.is_floating_point())
        for each in model.parameters()
    }
    network = copied(model, dict(memo))
    transposed = set()
    for name, module in list(network.named_modules(remove_duplicate=False)):
        kind = type(module).__name__
        if kind == TRANSPOSED:
            network.set_submodule(name, _linear(module))
            transposed.add(f"{name}.weight")
        elif kind in TANH_GELUS:
            network.set_submodule(name, nn.GELU(approximate="tanh"))
    return Standard(network, model, frozenset(transposed))


def _linear(module: nn.Module) -> nn.Linear:
    """The same layer with its weight as m x n."""
    weight = module.get_parameter("weight").detach().T
    linear = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    linear.weight = nn.Parameter(weight, weight.is_floating_point())
    linear.bias = module.get_parameter("bias")
    return linear.train(module.training)
