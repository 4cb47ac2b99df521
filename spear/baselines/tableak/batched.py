"""Many candidate batches at once: the distance of each one's gradient in a single evaluation."""

from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from spear.baselines.gradient_matching.gradients import Dense, Gradient, product
from spear.baselines.gradient_matching.objectives import Objective
from spear.baselines.gradient_matching.victim import own_linear_layers
from spear.probing import Call, probe, watching
from spear.update import Update


class BatchedProblem:
    """Maps R candidate batches to the distances of their gradients, independent of each other.

    As in `Victim`, gradients of linear layers are kept in factors: dL/dZ is the gradient by a zero
    "probe" that is added to the layer's output. Layers that are not called exactly once on b rows,
    and all other parameters, are differentiated plainly.

    Args:
        update: a copy for this object alone (`Update.copied`), because it is differentiated by
            nothing but the candidates.
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

    def __call__(self, candidates: Tensor) -> Tensor:
        """Distances (R), differentiable in the candidates (R x b x domain.shape)."""
        layers = {name: self._network.get_submodule(name) for name in self._probes}
        with watching(layers, self._probed):
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

    def _probed(self, call: Call) -> Tensor:
        self._seen[call.name] = call.args[0]
        output: Tensor = call.output + self._variables[call.name]
        return output


def _probes(network: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """Zeros shaped as the outputs (b x m) of linear layers that run once on b rows, by name."""
    with probe(own_linear_layers(network)) as calls, torch.no_grad():
        network(inputs)
    times = Counter(call.name for call in calls)
    # A call by keyword gives no `args`: such a layer is left to plain differentiation.
    once = {call.name: call.output for call in calls if times[call.name] == 1 and call.args}
    return {name: torch.zeros_like(each) for name, each in once.items() if each.ndim == 2}
