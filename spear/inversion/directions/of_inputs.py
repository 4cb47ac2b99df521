"""Directions of inputs that an attack without a proof found, and the project's proof of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spear.budget import Budget
from spear.inversion.directions.assemble import Found, recover
from spear.inversion.directions.exact import Polish
from spear.inversion.directions.selection import greedy_filter
from spear.inversion.directions.sparsity_matching import pre_activations
from spear.inversion.factors.factorization import Factorization
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status

AT_ONCE = 64
"""Gram matrices (b x b each) that are held at a time."""


def directions_of_inputs(problem: Factorization, inputs: Tensor) -> Tensor:
    """Return the direction that belongs to each input, with q . p = 1.

    p is the row of Q^-1 with x = R^T p, by least squares. Its pre-activation W x + bias says on
    which rows L q is zero; q is the least singular vector of these rows, as Theorem 3.3 has it.

    Args:
        problem: the factorised observation.
        inputs: one a row (k x n), float64.

    Returns:
        Columns (b x k) of length 1 up to the scale; not finite for an input without a direction.
    """
    rows = torch.linalg.lstsq(problem.right.T, inputs.T).solution.T
    silent = (pre_activations(problem, rows)[problem.active] <= 0).T.to(rows.dtype)
    polish = Polish(problem)
    guesses = rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    pairs = zip(torch.split(silent, AT_ONCE), torch.split(guesses, AT_ONCE), strict=True)
    units = torch.cat([polish.kernels(zeros, guess) for zeros, guess in pairs])
    return (units / (units * rows).sum(dim=1, keepdim=True)).T


@dataclass
class _Judge:
    """A search that has its candidates already: the directions of given inputs."""

    inputs: Tensor
    otherwise: Status
    directions: Tensor | None = None
    gradients: Tensor | None = None

    def __call__(self, problem: Factorization) -> Found:
        columns = directions_of_inputs(problem, self.inputs.to(problem.left.device))
        columns = torch.nan_to_num(columns, 0.0, 0.0, 0.0)
        self.gradients = columns.new_zeros(problem.m, columns.shape[1])
        self.gradients[problem.active] = problem.left @ columns
        lengths = torch.linalg.vector_norm(columns, dim=0)
        self.directions = columns / lengths.clamp(min=torch.finfo(columns.dtype).tiny)
        candidates = self.directions[:, lengths > 0]
        return Found(greedy_filter(problem, candidates, swaps=False), self.otherwise)


def judged(
    observation: Observation,
    inputs: Tensor,
    budget: Budget,
    *,
    rank: int | None = None,
    device: str = "cpu",
    otherwise: Status = Status.PARTIAL,
    details: Mapping[str, float] | None = None,
    labels: Tensor | None = None,
) -> Reconstruction:
    """Return inputs as the attack found them, or with all directions if the update proves these.

    If all b inputs are there and the ReLU pattern of their directions is that of the gradient
    (Definition 4.1, as for every other attack by sparsity), the reconstruction is X^T = Q^-1 R and
    `exact`. Otherwise it is the inputs as given, and rows of zeros for those that are missing.

    Args:
        observation: of the layer that received the inputs.
        inputs: one a row (k x n), float64; of more than b, the first b count.
        budget: of the attack.
        rank: batch size; None to take it from the singular values of the gradient.
        device: where to compute.
        otherwise: the status if inputs are missing.
        details: further numbers of the attack.
        labels: class probabilities of each input (k x K).
    """
    own = dict(details or {})
    judge = _Judge(inputs.to(torch.float64), otherwise)
    proven = recover(observation, judge, rank, device, budget)
    proven = replace(proven, details={**proven.details, **own})
    b = proven.batch_size
    if not b and len(inputs):  # no factors, as of a batch of full rank
        return Reconstruction.estimate(judge.inputs.cpu(), budget.spent, otherwise, own)
    if judge.directions is None or judge.gradients is None:  # no batch, or one input: no search
        return replace(proven, labels=None if labels is None else _filled(labels.cpu()[:b], b))
    if proven.status in (Status.EXACT, Status.APPROXIMATE):
        found = proven.disaggregation / torch.linalg.vector_norm(proven.disaggregation, dim=0)
        order = (judge.directions.cpu().T @ found).abs().argmax(dim=0)
        return replace(proven, labels=None if labels is None else labels.cpu()[order])
    found = _as_given(proven, judge.inputs[:b].cpu(), judge.gradients[:, :b].cpu(), otherwise)
    return replace(found, labels=None if labels is None else _filled(labels.cpu()[:b], b))


def _as_given(
    unproven: Reconstruction, inputs: Tensor, gradients: Tensor, otherwise: Status
) -> Reconstruction:
    """A reconstruction with inputs (k x n) and their dL/dZ (m x k) in the place of its own."""
    b = unproven.batch_size
    return replace(
        unproven,
        inputs=_filled(inputs, b),
        activation_gradients=_filled(gradients.T, b).T.contiguous(),
        disaggregation=inputs.new_zeros(0, 0),
        sparsity_matching=math.nan,
        n_directions=len(inputs),
        status=Status.ESTIMATED if len(inputs) == b else otherwise,
    )


def _filled(rows: Tensor, b: int) -> Tensor:
    """The rows, and rows of zeros after them up to b."""
    return torch.cat([rows, rows.new_zeros(b - len(rows), rows.shape[1])])
