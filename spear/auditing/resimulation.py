"""Test whether the network gives the observed update for the reconstructed inputs.

It needs no truth. The reconstructed inputs take the place of the layer's own, and the network runs
on from there to its loss. The gradients of every parameter at and behind the layer are compared
with the update, up to one common scale (a loss may be a sum instead of a mean, an update a step
instead of a gradient). An attack on one layer cannot tell inputs from others that have the same
ReLU pattern, such as twice the inputs if only dL/dW was doubled. The layers behind it can.

Labels that were not given are tried: each input gets the one whose gradient points along the
input's column of the reconstructed dL/dZ. Given labels are assigned jointly, by direction and
length. If none fit, dL/d(outputs) is fitted freely (`spear.auditing.free_outputs`): soft labels,
class weights, equal inputs with several labels, or another loss may explain the update.
"""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from spear.auditing.findings import Resimulation
from spear.auditing.free_outputs import Fit, Views, counted_labels, fitted
from spear.auditing.limits import CONFIRMED, OutOfTime, in_time
from spear.budget import Budget
from spear.probing import copied, overriding_input, probe, run, tensors
from spear.reconstruction import Reconstruction

MOST_CLASSES = 100
"""Most classes that are all tried. Of more, those with the most negative last bias gradient are."""

LEAST_CLASSES = 32
"""Least number of these that are tried; with many inputs it is twice their number."""

NEGLIGIBLE = 1e-6
"""Share of the whole update's norm that a parameter's error is divided by at least."""

Loss = Callable[[Any, Tensor], Tensor]
"""Maps (outputs, labels) to a scalar."""

FAILURES = (RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError)
"""Errors by which a network or a loss refuses what it is given, `NotImplementedError` included."""


def resimulate(
    network: nn.Module,
    name: str,
    found: Reconstruction,
    gradients: Mapping[str, Tensor],
    loss: Loss,
    example: Any,
    labels: Tensor | None = None,
    budget: Budget | None = None,
) -> Resimulation:
    """Compare the update with that of the reconstructed inputs of a layer.

    An obstacle to the comparison is part of the result.

    Args:
        network: with the weights at which the update was computed. It is not changed.
        name: name of the layer, as in `named_modules()`.
        found: reconstruction of the layer's inputs and of dL/dZ.
        gradients: the update: name of each parameter -> gradient.
        loss: the one that the client minimises.
        example: any inputs that the network takes (k x ...), to reach the layer.
        labels: labels of the batch in any order; if None, all possible labels are tried.
        budget: of the comparison; no limit unless given.
    """
    for part, module in network.named_modules():
        if isinstance(module, _DropoutNd) and module.training and module.p > 0:
            return Resimulation.impossible(
                f"dropout {part!r} draws masks that only the client knows"
            )
    try:
        victim = _Victim(network, name, found, gradients, loss, example, budget or Budget())
    except FAILURES as error:
        return Resimulation.impossible(
            f"the network did not run from the layer on ({_line(error)})"
        )
    try:
        labelled = _by_labels(victim, labels)
        if labelled.residual <= CONFIRMED:
            return labelled
        return _by_outputs(victim, labelled)
    except OutOfTime:
        return Resimulation.impossible("the budget was used up")


def _by_labels(victim: "_Victim", labels: Tensor | None) -> Resimulation:
    """Return the comparison with the labels that fit best."""
    try:
        candidates = _candidates(victim.loss, victim.outputs, victim.observed, labels)
        if candidates is None:
            return Resimulation.impossible("labels cannot be tried with this loss")
        return min(victim.labelled(candidates, labels), key=lambda each: each.residual)
    except FAILURES as error:
        return Resimulation.impossible(f"labels cannot be tried with this loss ({_line(error)})")


def _by_outputs(victim: "_Victim", labelled: Resimulation) -> Resimulation:
    """Return the comparison with any dL/d(outputs), after one with labels that did not confirm."""
    try:
        fit = fitted(
            victim.views, victim.pre_activations, victim.columns, victim.own, victim.budget
        )
        if not victim.tests(fit):
            raise ValueError("too few parameters behind the layer, and labels unknown")
        counts = counted_labels(victim.loss, fit)
        exact = None if counts is None else victim.compare(counts.value, counts.labels)
    except FAILURES as error:
        tried = labelled.obstacle or f"labels of one class each leave {labelled.residual:.2g}"
        return Resimulation.impossible(
            f"{tried}, and other labels could not be told: {_line(error)}"
        )
    if exact is not None and exact.residual <= CONFIRMED:
        return exact
    free = replace(victim.compare(fit.value), free=True)
    if labelled.obstacle or free.residual <= labelled.residual:
        return free
    return labelled


class _Victim:
    """The network from a layer on, in float64.

    Raises:
        ValueError: something goes around the layer.
    """

    def __init__(
        self,
        network: nn.Module,
        name: str,
        found: Reconstruction,
        gradients: Mapping[str, Tensor],
        loss: Loss,
        example: Any,
        budget: Budget,
    ) -> None:
        self.budget = budget
        self.loss = deepcopy(loss).double() if isinstance(loss, nn.Module) else loss
        self.network = copied(network).cpu().double().requires_grad_()
        self.own = name
        self.layer = self.network.get_submodule(name)
        self.inputs = found.inputs.double()
        self.columns = found.activation_gradients.T.double()
        self.example = _repeated(example, len(self.inputs))
        self.observed = {key: value.double() for key, value in gradients.items()}
        self.views = self._forward()
        self.outputs, self.pre_activations = self.views.outputs, self.views.of(name).output

    def _forward(self) -> Views:
        linear = {n: m for n, m in self.network.named_modules() if isinstance(m, nn.Linear)}
        with (
            overriding_input(self.layer, self.inputs),
            probe(linear) as calls,
            torch.enable_grad(),
        ):
            outputs = run(self.network, self.example)
        if sum(call.name == self.own for call in calls) != 1:
            raise ValueError("it uses the layer several times")
        reached = [each for each in tensors(outputs) if each.requires_grad]
        if not reached:
            raise ValueError("it returns no tensor")
        if any(_depends(each, part) for each in reached for part in tensors(self.example)):
            raise ValueError("something goes around the layer")
        mixing = any(isinstance(m, _BatchNorm) and m.training for m in self.network.modules())
        return Views(outputs, reached, calls, self.observed, mixing)

    def labelled(self, candidates: Tensor, given: Tensor | None) -> Iterable[Resimulation]:
        """Return the comparisons with labels that fit the columns of dL/dZ.

        Each input has its own by direction, for each sign of the update, or all have the given
        ones, jointly.
        """
        gradients = []
        for label in candidates:
            in_time(self.budget)
            value = self.loss(self.outputs, label.expand(len(self.inputs), *label.shape))
            (found,) = torch.autograd.grad(value, self.pre_activations, retain_graph=True)
            gradients.append(found.flatten(1))
        table = torch.stack(gradients)  # candidates x b x m
        cosines = torch.cosine_similarity(table, self.columns, dim=2)
        tried = [
            self.compare(self.loss(self.outputs, labels), labels)
            for labels in (candidates[cosines.argmax(dim=0)], candidates[cosines.argmin(dim=0)])
        ]
        if given is not None and len(given) == len(self.inputs):
            tried += self._joint(table, candidates, given, [1.0, -1.0, *(t.scale for t in tried)])
        return tried

    def _joint(
        self, table: Tensor, candidates: Tensor, given: Tensor, scales: Iterable[float]
    ) -> Iterable[Resimulation]:
        """Return the comparisons with the given labels, each used once, for several scales."""
        typed = given.to(candidates)
        distances = (
            (
                typed.flatten(1 if typed.ndim > 1 else 0).reshape(len(typed), 1, -1)
                - candidates.reshape(1, len(candidates), -1)
            )
            .abs()
            .sum(dim=2)
        )
        which = distances.argmin(dim=1)
        for scale in scales:
            in_time(self.budget)
            costs = torch.cdist(self.columns, scale * table[which].flatten(0, 1)).square()
            own = costs.reshape(len(self.inputs), len(which), len(self.inputs))
            matrix = own.diagonal(dim1=0, dim2=2).T
            _, order = linear_sum_assignment(matrix.numpy())
            labels = typed[torch.from_numpy(order)]
            yield self.compare(self.loss(self.outputs, labels), labels)

    def tests(self, fit: Fit) -> bool:
        """Return whether the update has more entries behind the layer than the fit has freedom."""
        own = (f"{self.own}.weight", f"{self.own}.bias")
        reached = self._gradients(fit.value)
        entries = sum(each.numel() for key, each in reached.items() if key not in own)
        return entries > fit.freedom

    def _gradients(self, value: Tensor) -> dict[str, Tensor]:
        parameters = dict(self.network.named_parameters())
        shared = {key: parameters[key] for key in self.observed}
        found = torch.autograd.grad(
            value, list(shared.values()), retain_graph=True, allow_unused=True
        )
        pairs = zip(shared, found, strict=True)
        return {key: each for key, each in pairs if each is not None}

    def compare(self, value: Tensor, labels: Tensor | None = None) -> Resimulation:
        """Return the comparison with the gradients of this value."""
        reached = self._gradients(value)
        pairs = [(each, self.observed[key]) for key, each in reached.items()]
        product = sum(float((ours * theirs).sum()) for ours, theirs in pairs)
        square = sum(float(ours.square().sum()) for ours, _ in pairs)
        total = sum(float(theirs.square().sum()) for _, theirs in pairs) ** 0.5
        scale = product / square if square > 0 else 0.0
        errors = [
            float((theirs - scale * ours).norm() / max(float(theirs.norm()), NEGLIGIBLE * total))
            for ours, theirs in pairs
        ]
        residual = max(errors) if total > 0 else float("nan")
        return Resimulation(residual, scale, labels, parameters=tuple(reached))


def _repeated(example: Any, count: int) -> Any:
    """Inputs of which only the shape matters, as many as wanted, in float64 if they are floats."""
    if isinstance(example, Mapping):
        return {key: _repeated(each, count) for key, each in example.items()}
    if isinstance(example, tuple | list):
        return [_repeated(each, count) for each in example]
    if not isinstance(example, Tensor):
        return example
    found = example[:1].expand(count, *example.shape[1:]).cpu().clone()
    return found.double().requires_grad_() if found.is_floating_point() else found


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _depends(outputs: Tensor, example: Tensor) -> bool:
    if not example.requires_grad or not outputs.requires_grad:
        return False
    (found,) = torch.autograd.grad(outputs.sum(), example, retain_graph=True, allow_unused=True)
    return found is not None


def _candidates(
    loss: Any, outputs: Any, gradients: Mapping[str, Tensor], labels: Tensor | None
) -> Tensor | None:
    """Labels that an input may have, one a row."""
    if labels is not None:
        values = torch.unique(labels, dim=0)
        return values.double() if values.is_floating_point() else values
    if not isinstance(outputs, Tensor):
        return None
    if isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss) and outputs.ndim == 2:
        classes = torch.arange(outputs.shape[1])
        if len(classes) <= MOST_CLASSES:
            return classes
        last = [each for each in gradients.values() if each.shape == outputs.shape[1:]]
        likely = max(LEAST_CLASSES, 2 * len(outputs))
        return last[-1].argsort()[:likely] if last else None
    if isinstance(loss, nn.BCEWithLogitsLoss | nn.BCELoss) and outputs[0].numel() == 1:
        return torch.tensor([0.0, 1.0], dtype=torch.float64).view(2, *[1] * (outputs.ndim - 1))
    return None
