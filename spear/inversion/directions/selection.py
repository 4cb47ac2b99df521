"""GreedyFilter: choose the b candidates that are the columns of Q (Sec. 4.2, Algorithm 3)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.directions.basis_of_space import orthogonal_complement
from spear.inversion.directions.sparsity_matching import activity, agreement, matches, uncertainty
from spear.inversion.directions.verdict import verdict
from spear.inversion.directions.zeros import sparsity
from spear.inversion.factors.factorization import Decomposition, Factorization
from spear.reconstruction import Status

RANK_TOLERANCE = 1e-7
"""A unit vector this close to the span of others adds nothing to their rank."""


@dataclass(frozen=True)
class Selection:
    """b independent directions and how well they explain the gradient.

    Attributes:
        directions: Qbar, unit columns (b x b).
        sparsity_matching: lambda of Definition 4.1.
        n_found: columns taken from candidates; the others only complete the basis.
        status: verdict of the ReLU pattern; `PARTIAL` if columns are missing.
    """

    directions: Tensor
    sparsity_matching: float
    n_found: int
    status: Status


def greedy_filter(problem: Factorization, candidates: Tensor, swaps: bool = True) -> Selection:
    """Algorithm 3: the sparsest independent candidates, then swaps that raise lambda most.

    If the candidates span less than b dimensions, vectors orthogonal to them fill up the basis, so
    that there is always a reconstruction.

    Args:
        problem: the factorised observation.
        candidates: unit columns (b x c).
        swaps: whether to run the second stage (Fig. 6 compares both).
    """
    chosen = sparsest_independent(problem, candidates)
    selected = _Exchange(problem, candidates, activity(problem, candidates), chosen)
    if swaps and len(chosen) == problem.b:
        while selected.improve():
            pass
    status = Status.PARTIAL
    if len(chosen) == problem.b:
        status = verdict(problem, selected.directions, selected.pattern, selected.matched)
    return Selection(selected.directions, selected.sparsity_matching, len(chosen), status)


def sparsest_independent(problem: Decomposition, candidates: Tensor, first: int = 0) -> list[int]:
    """Go through candidate columns, sparsest first, and keep each that is independent of the kept.

    Sets of independent vectors form a matroid, so the result has the most zeros of all bases.
    Vectors that noise leaves indistinguishable from dependent ones count as dependent.

    Args:
        problem: the factorised observation.
        candidates: unit columns (b x c).
        first: number of leading columns that go before the others.

    Returns:
        Indices of at most b columns.
    """
    b = problem.b
    score = sparsity(problem, candidates)
    score[:first] = float("inf")
    least = (2 * problem.noise.angle(candidates)).clamp(min=RANK_TOLERANCE).tolist()
    basis = candidates.new_zeros(b, 0)
    chosen: list[int] = []
    for index in score.argsort(descending=True, stable=True).tolist():
        if len(chosen) == b:
            break
        rest = candidates[:, index]
        for _ in range(2):  # twice is enough for orthogonality to working precision
            rest = rest - basis @ (basis.T @ rest)
        length = torch.linalg.vector_norm(rest)
        if float(length) > least[index]:
            basis = torch.cat([basis, (rest / length)[:, None]], dim=1)
            chosen.append(index)
    return chosen


class _Exchange:
    """A basis of candidates that knows its lambda, and that of every basis one swap away.

    With P = Qbar^-1 and A = M P^T, sample i has pre-activations A_i / c_i + bias, c = P s. Swapping
    column i for a candidate with coordinates u = P q changes A_k to A_k - (u_k / u_i) A_i and c_k
    likewise: rank-one updates, so that no swap needs an inversion of its own.
    """

    def __init__(
        self, problem: Factorization, candidates: Tensor, signs: Tensor, chosen: list[int]
    ) -> None:
        self.problem = problem
        self.candidates = candidates
        self.signs = signs
        self.chosen = chosen
        filling = orthogonal_complement(candidates[:, chosen])
        self.directions = torch.cat([candidates[:, chosen], filling], dim=1)
        self.pattern = torch.cat([signs[:, chosen], activity(problem, filling)], dim=1)
        self._update()

    def _update(self) -> None:
        inverse = torch.linalg.inv(self.directions)
        self.inverse = inverse
        self.scales = inverse @ self.problem.bias_coordinates
        self.products = inverse @ inverse.T
        self.scattered = self.problem.projected_weight @ inverse.T
        self.matched = agreement(self.problem, inverse / self.scales[:, None], self.pattern)
        self.sparsity_matching = float(self.matched.to(torch.float64).mean())

    def improve(self) -> bool:
        """Make the swap that raises lambda most; False if none does."""
        if self.sparsity_matching == 1.0:
            return False
        outside = torch.ones(self.candidates.shape[1], dtype=torch.bool)
        outside[self.chosen] = False
        indices = outside.nonzero().flatten().to(self.candidates.device)
        if indices.numel() == 0:
            return False
        before, current = self.chosen, int(self.matched.sum())
        best, position, candidate = current, -1, -1
        for i in range(self.problem.b):
            agreement = self._agreement_after_swap(i, indices)
            top = int(agreement.argmax())
            if int(agreement[top]) > best:
                best, position, candidate = int(agreement[top]), i, int(indices[top])
        if position < 0:
            return False
        self._choose([*before[:position], candidate, *before[position + 1 :]])
        if int(self.matched.sum()) > current:
            return True
        # Nearly dependent candidates: the update promised what rounding took. Swaps could go round
        # for ever.
        self._choose(before)
        return False

    def _choose(self, chosen: list[int]) -> None:
        self.chosen = chosen
        self.directions = self.candidates[:, chosen]
        self.pattern = self.signs[:, chosen]
        self._update()

    def _agreement_after_swap(self, i: int, indices: Tensor) -> Tensor:
        """Matching entries (of m b) after column i became each of the candidates `indices`."""
        coordinates = self.inverse @ self.candidates[:, indices]
        ratios = coordinates / coordinates[i]
        ratios[i] = 0
        nothing = torch.zeros_like(coordinates[i])
        agreeing = self._agreement_of(i, i, nothing, self.signs[:, indices])
        for k in range(self.problem.b):
            if k != i:
                agreeing += self._agreement_of(k, i, ratios[k], self.pattern[:, k, None])
        independent = coordinates[i].abs() > RANK_TOLERANCE
        return torch.where(independent, agreeing, torch.zeros_like(agreeing))

    def _agreement_of(self, k: int, i: int, ratios: Tensor, signs: Tensor) -> Tensor:
        """Matching entries of sample k for each A_k - ratio A_i (a ratio for each candidate)."""
        scales = self.scales[k] - ratios * self.scales[i]
        scattered = self.scattered[:, k, None] - ratios * self.scattered[:, i, None]
        z = scattered / scales + self.problem.bias[:, None]
        products = self.products
        squares = products[k, k] - 2 * ratios * products[k, i] + ratios**2 * products[i, i]
        lengths = squares.clamp(min=0.0).sqrt() / scales.abs()
        return matches(z, uncertainty(self.problem, z, lengths), signs).sum(dim=0)
