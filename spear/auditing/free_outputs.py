"""Fit of dL/d(outputs) to an update, for labels and losses that are not known.

For given inputs, the gradient of every parameter is linear in delta = dL/d(outputs) (b x K),
whatever the loss. The columns of dL/dZ at the attacked layer and the gradient of the last layer
give delta by least squares. If the gradients in between agree, the model gives the update for these
inputs and some labels: soft ones, a mixture, weighted ones, or several for equal inputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spear.auditing.limits import in_time
from spear.budget import Budget
from spear.probing import Call

MOST_OUTPUTS = 256
"""Most outputs of an input; each takes a run backwards."""

MOST_UNKNOWNS = 1500
"""Most entries of delta that are fitted at once."""

MOST_COPIES = 4
"""Largest ratio of the batch to the different inputs in it, for equal inputs to be counted."""

WHOLE = 0.01
"""Distance from a whole number up to which a count may be that number; the update is compared."""


@dataclass(frozen=True)
class Views:
    """A run of a network.

    Attributes:
        outputs: what it returned.
        reached: the differentiable tensors in that.
        calls: of its linear layers.
        observed: the update: name of each parameter -> gradient.
        mixing: whether the inputs of a batch influence each other.
    """

    outputs: Any
    reached: Sequence[Tensor]
    calls: Sequence[Call]
    observed: Mapping[str, Tensor]
    mixing: bool

    def of(self, name: str) -> Call:
        """Return the call of a layer."""
        return next(call for call in self.calls if call.name == name)


@dataclass(frozen=True)
class Fit:
    """Fitted dL/d(outputs).

    Attributes:
        outputs: of the network (b x K), differentiable.
        delta: dL/d(outputs) (b x K).
    """

    outputs: Tensor
    delta: Tensor

    @property
    def value(self) -> Tensor:
        """Return a scalar whose gradient by the outputs is delta."""
        return (self.outputs * self.delta).sum()

    @property
    def freedom(self) -> int:
        """Return the number of fitted entries."""
        return self.delta.numel()


@dataclass(frozen=True)
class Counted:
    """Labels of a batch in which inputs may be equal, and a scalar with its loss's gradient."""

    labels: Tensor
    value: Tensor


def fitted(
    views: Views, pre_activations: Tensor, columns: Tensor, name: str, budget: Budget
) -> Fit:
    """Fit delta to the columns of dL/dZ and the gradient of the last linear layer.

    Args:
        views: the network's run on the reconstructed inputs.
        pre_activations: Z^T of the attacked layer (b x m).
        columns: dL/dZ^T there (b x m).
        name: of the attacked layer.
        budget: of the test.

    Raises:
        OutOfTime: the budget is over.
        ValueError: the outputs are too many, or the inputs of a batch influence each other,
            or an entry is not finite.
    """
    b = len(columns)
    if views.mixing:
        raise ValueError("batch norm in training mode mixes the inputs")
    if any(len(each) != b for each in views.reached):
        raise ValueError("the outputs do not have a row for each input")
    outputs = torch.cat([each.flatten(1) for each in views.reached], dim=1)
    if outputs.shape[1] > MOST_OUTPUTS or outputs.numel() > MOST_UNKNOWNS:
        raise ValueError(f"{outputs.numel()} outputs are too many to fit")
    rows: list[Tensor] = []
    for k in range(outputs.shape[1]):
        in_time(budget)
        rows += torch.autograd.grad(outputs[:, k].sum(), pre_activations, retain_graph=True)
    jacobian = torch.stack([each.flatten(1) for each in rows], dim=2)  # b x m x K
    matrices = jacobian.mT @ jacobian
    right = (jacobian.mT @ columns[:, :, None])[:, :, 0]
    size = columns.square().sum().clamp(min=torch.finfo(torch.float64).tiny)
    matrix, right = _block_diagonal(matrices) / size, right / size
    last = _last(views, outputs, name)
    if last is not None:
        features, gradient = last
        size = gradient.square().sum().clamp(min=torch.finfo(torch.float64).tiny)
        identity = torch.eye(outputs.shape[1], dtype=torch.float64)
        matrix = matrix + torch.kron(features @ features.T, identity) / size
        right = right + (features @ gradient.T) / size
    if not bool(matrix.isfinite().all() and right.isfinite().all()):
        raise ValueError("the update has entries that are NaN or infinite")
    solution = torch.linalg.lstsq(matrix, right.flatten()[:, None], driver="gelsd").solution
    return Fit(outputs, solution.view_as(outputs).detach())


def counted_labels(loss: Any, fit: Fit) -> Counted | None:
    """Return the labels if the fit is a mean cross-entropy of one class each, equal inputs counted.

    An input that the batch has c times, with N inputs in all, has delta = (c p - counts) / N.

    Args:
        loss: of the client.
        fit: dL/d(outputs) for different inputs.

    Returns:
        The labels of all N inputs; None if there are none, or two classes, of which inputs with the
        same active neurons cannot be told apart.
    """
    plain = isinstance(loss, nn.CrossEntropyLoss) and loss.weight is None
    if not plain or loss.label_smoothing or fit.outputs.shape[1] <= 2:
        return None
    chances = fit.outputs.detach().softmax(dim=1)
    shares = (fit.delta / chances.clamp(min=1e-12)).amax(dim=1)  # c / N, at a class without a label
    for total in range(len(shares), MOST_COPIES * len(shares) + 1):
        copies = (shares * total).round()
        counts = copies[:, None] * chances - total * fit.delta
        whole = counts.round().clamp(min=0)
        errors = torch.cat([(shares * total - copies).abs(), (counts - whole).abs().flatten()])
        fits = bool(errors.max() < WHOLE)
        if fits and int(copies.sum()) == total and torch.equal(whole.sum(dim=1), copies):
            delta = (copies[:, None] * chances - whole) / total
            classes = torch.arange(whole.shape[1]).repeat(len(whole))
            labels = classes.repeat_interleave(whole.flatten().long())
            return Counted(labels, (fit.outputs * delta).sum())
    return None


def _block_diagonal(matrices: Tensor) -> Tensor:
    b, k, _ = matrices.shape
    found = matrices.new_zeros(b, k, b, k)
    found[torch.arange(b), :, torch.arange(b), :] = matrices
    return found.reshape(b * k, b * k)


def _last(views: Views, outputs: Tensor, name: str) -> tuple[Tensor, Tensor] | None:
    """The inputs of the layer that makes the outputs, a 1 behind each, and its gradient."""
    call = views.calls[-1]
    keys = (f"{call.name}.weight", f"{call.name}.bias")
    once = sum(each.name == call.name for each in views.calls) == 1
    same = call.output.shape == outputs.shape and bool(call.output.eq(outputs).all())
    if call.name == name or not (once and same) or any(k not in views.observed for k in keys):
        return None
    features = call.inputs.detach()
    ones = features.new_ones(len(features), 1)
    weight, bias = (views.observed[key] for key in keys)
    return torch.cat([features, ones], dim=1), torch.cat([weight, bias[:, None]], dim=1)
