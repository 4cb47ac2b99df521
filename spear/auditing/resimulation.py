"""Test whether the network gives the observed update for the reconstructed inputs.

It needs no truth. The reconstructed inputs take the place of the layer's own, and the network runs
on from there to its loss. The gradients of every parameter at and behind the layer are compared
with the update, up to one common scale (a loss may be a sum instead of a mean, an update a step
instead of a gradient). An attack on one layer cannot tell inputs from others that have the same
ReLU pattern, such as twice the inputs if only dL/dW was doubled. The layers behind it can.

The labels are not known: each input gets the label whose gradient points along the input's column
of the reconstructed dL/dZ.
"""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from spear.auditing.findings import Resimulation
from spear.probing import overriding_input, probe
from spear.reconstruction import Reconstruction

MOST_CLASSES = 100
"""Most classes that are all tried. Of more, those with the most negative last bias gradient are."""

LEAST_CLASSES = 32
"""Least number of these that are tried; with many inputs it is twice their number."""

NEGLIGIBLE = 1e-6
"""Share of the whole update's norm that a parameter's error is divided by at least."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""Maps (outputs, labels) to a scalar."""


def resimulate(
    network: nn.Module,
    name: str,
    found: Reconstruction,
    gradients: Mapping[str, Tensor],
    loss: Loss,
    example: Tensor,
    labels: Tensor | None = None,
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
    """
    for part, module in network.named_modules():
        if isinstance(module, _DropoutNd) and module.training and module.p > 0:
            return Resimulation.impossible(
                f"dropout {part!r} draws masks that only the client knows"
            )
    try:
        victim = _Victim(network, name, found.inputs, gradients, loss, example)
        candidates = _candidates(loss, victim.outputs, gradients, labels)
        if candidates is None:
            return Resimulation.impossible(
                "labels cannot be tried with this loss; pass them as `labels`"
            )
        fitting = victim.labels(candidates, found.activation_gradients)
        tried = [victim.compare(each) for each in fitting]
    except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        return Resimulation.impossible(f"the network did not run from the layer on ({line})")
    return min(tried, key=lambda each: each.residual)


class _Victim:
    """The network from a layer on, in float64.

    Raises:
        ValueError: something goes around the layer.
    """

    def __init__(
        self,
        network: nn.Module,
        name: str,
        inputs: Tensor,
        gradients: Mapping[str, Tensor],
        loss: Loss,
        example: Tensor,
    ) -> None:
        self.loss = loss
        self.network = deepcopy(network).cpu().double().requires_grad_()
        self.layer = self.network.get_submodule(name)
        self.inputs = inputs.double()
        self.example = example[:1].expand(len(inputs), *example.shape[1:]).cpu().clone()
        if self.example.is_floating_point():
            self.example = self.example.double().requires_grad_()
        self.observed = {key: value.double() for key, value in gradients.items()}
        self.outputs, self.pre_activations = self._forward()

    def _forward(self) -> tuple[Tensor, Tensor]:
        with (
            overriding_input(self.layer, self.inputs),
            probe({"": self.layer}) as calls,
            torch.enable_grad(),
        ):
            outputs = self.network(self.example)
        if not isinstance(outputs, Tensor) or len(calls) != 1:
            raise ValueError("it returns no tensor, or uses the layer several times")
        if _depends(outputs, self.example):
            raise ValueError("something goes around the layer")
        return outputs, calls[0].output

    def labels(self, candidates: Tensor, activation_gradients: Tensor) -> Iterable[Tensor]:
        """Return the labels that fit the columns of dL/dZ, for each sign of the update."""
        columns = activation_gradients.T.double()
        cosines = []
        for label in candidates:
            value = self.loss(self.outputs, label.expand(len(self.inputs), *label.shape))
            (found,) = torch.autograd.grad(value, self.pre_activations, retain_graph=True)
            cosines.append(torch.cosine_similarity(found, columns, dim=1))
        table = torch.stack(cosines)
        return candidates[table.argmax(dim=0)], candidates[table.argmin(dim=0)]

    def compare(self, labels: Tensor) -> Resimulation:
        """Return the comparison with these labels."""
        parameters = dict(self.network.named_parameters())
        shared = {key: parameters[key] for key in self.observed}
        value = self.loss(self.outputs, labels)
        found = torch.autograd.grad(
            value, list(shared.values()), retain_graph=True, allow_unused=True
        )
        reached = {key: each for key, each in zip(shared, found, strict=True) if each is not None}
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


def _depends(outputs: Tensor, example: Tensor) -> bool:
    if not example.requires_grad or not outputs.requires_grad:
        return False
    (found,) = torch.autograd.grad(outputs.sum(), example, retain_graph=True, allow_unused=True)
    return found is not None


def _candidates(
    loss: Any, outputs: Tensor, gradients: Mapping[str, Tensor], labels: Tensor | None
) -> Tensor | None:
    """Labels that an input may have, one a row."""
    if labels is not None:
        values = torch.unique(labels, dim=0)
        return values.double() if values.is_floating_point() else values
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
