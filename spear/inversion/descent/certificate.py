"""A linear feasibility test whether one direction is right, without any of the others.

If q is a true column of Q, its row p of Q^-1 satisfies s . p = 1 and, for every neuron j,
(M p + bias)_j > 0 exactly where (L q)_j is not zero (Theorem 3.4, s = sum of all columns): m
half-spaces known from q alone. Directions q_l known to be right give p . q_l = 0 too. The p of a
true direction lies in this polytope; a false direction's polytope is empty, unless activations
are so correlated that its zero set is nearly that of a true one.
"""

import torch
from torch import Tensor

from spear.inversion.directions.distinct import ITSELF
from spear.inversion.directions.sparsity_matching import agreement
from spear.inversion.factors.factorization import Factorization
from spear.inversion.factors.gram import Grams

ITERATIONS = 24
HALVING = 2
"""Iterations in which the margin halves."""
LEAST_MARGIN = 0.01
"""Last margin, in standard deviations of the pre-activations."""
CONSTRAINT = 1e3
"""Weight of the equations relative to that of the half-spaces."""
PROXIMAL = 1e-6
"""Pull to the previous iterate, needed when no half-space is violated."""


class Certificate:
    """Fits p to zero patterns by a squared hinge, for many directions at once.

    Minimises sum_j max(0, margin - sigma_j (M p + bias)_j)^2 + mu (s . p - 1)^2 / |s|^2
    + mu sum_l (p . q_l)^2, sigma_j = -1 on the zeros of L q and 1 elsewhere, by finite Newton
    steps (Keerthi and DeCoste, JMLR 2005): each solves the least squares problem of the violated
    half-spaces. The margin is annealed, and a direction rests as soon as it violates none.

    Args:
        problem: the factorised observation.
    """

    def __init__(self, problem: Factorization) -> None:
        self.problem = problem
        self.grams = Grams(problem.projected_weight)

    def __call__(self, directions: Tensor, signs: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of Q^-1 and the half-spaces they violate.

        Args:
            directions: q_k (K x b, unit rows, float64).
            signs: -1 on the zeros of L q_k, 1 on other entries, 0 where unknown (K x m).
            known: directions q_l taken to be right (f x b); a q_k may be one of them.

        Returns:
            p_k (K x b) and the number of violated half-spaces of each (K).
        """
        if len(directions) == 0:
            return directions, directions.new_zeros(0, dtype=torch.long)
        rows = directions / (directions @ self.problem.bias_coordinates)[:, None]
        equations, offset = self._equations(directions, known)
        sides = signs.to(directions.dtype)
        deviation = self._pre_activations(rows).std(dim=1, keepdim=True)
        open_ = torch.arange(len(rows), device=rows.device)
        for iteration in range(ITERATIONS):
            margin = max(0.5 ** (iteration / HALVING), LEAST_MARGIN) * deviation[open_]
            rows[open_] = self._step(rows[open_], sides[open_], margin, equations[open_], offset)
            open_ = open_[self._violated(rows[open_], signs[open_]) > 0]
            if len(open_) == 0:
                break
        return rows, self._violated(rows, signs)

    def _step(
        self, rows: Tensor, sides: Tensor, margin: Tensor, equations: Tensor, offset: Tensor
    ) -> Tensor:
        """One finite Newton step: least squares on the half-spaces violated by less than margin."""
        z = self._pre_activations(rows)
        excess = margin - sides * z
        violated = torch.where((excess > 0) & (sides != 0), (margin / excess).clamp(max=1.0), 0.0)
        hessian = self.grams(violated) + equations
        diagonal = hessian.diagonal(dim1=1, dim2=2)
        pull = PROXIMAL * diagonal.mean(dim=1, keepdim=True)
        diagonal += pull
        wanted = (sides * margin - self.problem.bias) * violated
        right = wanted @ self.problem.projected_weight + offset + pull * rows
        factor, _ = torch.linalg.cholesky_ex(hessian)
        return torch.cholesky_solve(right[:, :, None], factor)[:, :, 0]

    def _pre_activations(self, rows: Tensor) -> Tensor:
        return rows @ self.problem.projected_weight.T + self.problem.bias

    def _violated(self, rows: Tensor, signs: Tensor) -> Tensor:
        return (~agreement(self.problem, rows, signs.T)).sum(dim=0)

    def _equations(self, directions: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Matrix and right-hand side of s . p = 1 and p . q_l = 0 for every q_l but q_k itself."""
        scale = CONSTRAINT * self.problem.projected_weight.square().sum() / self.problem.b
        total = self.problem.bias_coordinates
        length = total.square().sum()
        shared = torch.outer(total, total) / length + known.T @ known
        own = (directions @ known.T).abs().gt(1 - ITSELF).to(directions.dtype)
        itself = (own @ _products(known)).view(-1, *shared.shape)
        return scale * (shared - itself), scale * total / length


def _products(rows: Tensor) -> Tensor:
    return (rows[:, :, None] * rows[:, None, :]).reshape(len(rows), rows.shape[1] ** 2)
