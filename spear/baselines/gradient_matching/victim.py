"""The network under attack: the gradients that a candidate batch would have had."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spear.baselines.gradient_matching.gradients import Dense, Gradient, product
from spear.probing import probe
from spear.second_derivatives import twice_differentiable
from spear.update import Update


@dataclass(frozen=True)
class Evaluation:
    """Gradients and layer inputs of a candidate, all differentiable in the candidate.

    Attributes:
        inputs: the candidate (b x domain.shape).
        gradients: of the loss, by parameter name.
        layer_inputs: what each linear layer received (r x n), by module name.
    """

    inputs: Tensor
    gradients: Mapping[str, Gradient]
    layer_inputs: Mapping[str, Tensor]


class Victim:
    """The update's network and loss, differentiable twice.

    The gradients of linear layers, which hold nearly all parameters in most networks, are factored
    (`spear.baselines.gradient_matching.gradients.Product`).

    Args:
        update: the network, and the names of the parameters whose gradients matter; a copy for
            this object alone (`Update.copied`), because all of these are differentiated.
    """

    def __init__(self, update: Update) -> None:
        self._network = update.network
        self._loss = update.loss
        parameters = dict(self._network.named_parameters())
        self._parameters = {name: parameters[name].requires_grad_() for name in update.gradients}
        modules = self._network.named_modules()
        self._linear = {name: each for name, each in modules if isinstance(each, nn.Linear)}
        self._factored = own_linear_layers(self._network).keys()

    def __call__(self, inputs: Tensor, targets: Tensor) -> Evaluation:
        """Gradients of the loss at a batch.

        Args:
            inputs: b x domain.shape.
            targets: what the loss compares outputs with.
        """
        with probe(self._linear) as seen, twice_differentiable():
            value = self._loss(self._network(inputs), targets)
        every = {name: [call for call in seen if call.name == name] for name in self._linear}
        every = {name: each for name, each in every.items() if each}
        calls = {name: each for name, each in every.items() if name in self._factored}
        factored = {f"{name}.{part}" for name in calls for part in ("weight", "bias")}
        plain = [name for name in self._parameters if name not in factored]
        outputs = [call.output for each in calls.values() for call in each]
        found = torch.autograd.grad(
            value,
            [*outputs, *(self._parameters[name] for name in plain)],
            create_graph=True,
            materialize_grads=True,
        )
        gradients: dict[str, Gradient] = {
            name: Dense(gradient)
            for name, gradient in zip(plain, found[len(outputs) :], strict=True)
        }
        layer_inputs = {
            name: _stacked([call.inputs for call in each]) for name, each in every.items()
        }
        rest = iter(found)
        for name, each in calls.items():
            activations = _stacked([next(rest) for _ in each])
            gradients[f"{name}.weight"] = product(activations, layer_inputs[name])
            gradients[f"{name}.bias"] = Dense(activations.sum(dim=0))
        return Evaluation(inputs, gradients, layer_inputs)


def own_linear_layers(network: nn.Module) -> dict[str, nn.Linear]:
    """Linear layers that share no parameters, so that their calls give all of a gradient.

    Tied weights, and weights that a parametrisation computes, are left to plain differentiation.
    """
    uses = Counter(id(p) for _, p in network.named_parameters(remove_duplicate=False))
    layers = {n: m for n, m in network.named_modules() if isinstance(m, nn.Linear)}
    return {
        name: layer
        for name, layer in layers.items()
        if all(uses[id(p)] == 1 for p in (layer.weight, layer.bias) if p is not None)
    }


def _stacked(rows: list[Tensor]) -> Tensor:
    """All calls and all positions below each other, r x n: a gradient is the sum over them."""
    flat = [each.reshape(-1, each.shape[-1]) for each in rows]
    return flat[0] if len(flat) == 1 else torch.cat(flat)
