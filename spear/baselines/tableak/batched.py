"""Many candidate batches at once: the distance of each one's gradient in a single evaluation."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from spear.baselines.gradient_matching.gradients import Dense, Gradient, product
from spear.baselines.gradient_matching.objectives import Objective
from spear.baselines.gradient_matching.victim import own_linear_layers
from spear.update import Update

Hook = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]


class BatchedProblem:
    """Maps R candidate batches to the distances of their gradients, independent of each other.

    As of `Victim`, gradients of linear layers are kept in factors: dL/dZ is the gradient by a zero
    "probe" that is added to the layer's output. Layers that are not called exactly once on b rows,
    and all other parameters, are differentiated plainly.

    Args:
        update: a copy that nobody else uses (`Update.copied`), because hooks stay in it.
        objective: distance of gradients.
        labels: b class indices, those of every candidate.
    """

    def __init__(self, update: Update, objective: Objective, labels: Tensor) -> None:
        self._network = update.network.requires_grad_(False)
        self._loss = update.loss
        self._labels = labels
        self._distance = objective.prepare(update.gradients)
        like = next(iter(update.gradients.values()))
        self._probes = _probes(self._network, like.new_zeros(len(labels), *update.domain.shape))
        factored = {f"{name}.{part}" for name in self._probes for part in ("weight", "bias")}
        parameters = dict(self._network.named_parameters())
        self._plain = {name: parameters[name] for name in update.gradients if name not in factored}
        self._variables: Mapping[str, Tensor] = {}
        self._seen: dict[str, Tensor] = {}
        for name in self._probes:
            self._network.get_submodule(name).register_forward_hook(self._probed(name))

    def __call__(self, candidates: Tensor) -> Tensor:
        """Distances (R), differentiable in the candidates (R x b x domain.shape)."""
        distances: Tensor = vmap(self._distance_of)(candidates)
        return distances

    def _distance_of(self, inputs: Tensor) -> Tensor:
        found, seen = grad(self._loss_at, has_aux=True)({**self._probes, **self._plain}, inputs)
        gradients: dict[str, Gradient] = {name: Dense(found[name]) for name in self._plain}
        for name in self._probes:
            gradients[f"{name}.weight"] = product(found[name], seen[name])
            gradients[f"{name}.bias"] = Dense(found[name].sum(dim=0))
        return self._distance(gradients)

    def _loss_at(
        self, variables: Mapping[str, Tensor], inputs: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        self._variables, self._seen = variables, {}
        plain = {name: variables[name] for name in self._plain}
        loss = self._loss(functional_call(self._network, plain, (inputs,)), self._labels)
        return loss, self._seen

    def _probed(self, name: str) -> Hook:
        def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            self._seen[name] = args[0]
            return output + self._variables[name]

        return hook


def _probes(network: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """Zeros shaped as the outputs (b x m) of linear layers that run once on b rows, by name."""
    outputs: dict[str, list[Tensor]] = {}
    layers = own_linear_layers(network)

    def recorder(name: str) -> Hook:
        def record(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            # A call by keyword gives no `args`: such a layer is left to plain differentiation.
            outputs.setdefault(name, []).append(output if args else output[None])
            return output

        return record

    hooks = [layer.register_forward_hook(recorder(name)) for name, layer in layers.items()]
    try:
        with torch.no_grad():
            network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    once = {name: each[0] for name, each in outputs.items() if len(each) == 1}
    return {name: torch.zeros_like(each) for name, each in once.items() if each.ndim == 2}
