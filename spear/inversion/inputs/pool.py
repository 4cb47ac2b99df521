"""Selection of the directions that are columns of P, and a proof that the inputs are right.

A direction p is kept if its zeros on R^T determine it even without any one of them
(`spear.inversion.directions.determined.is_determined`) and if, at the scale s . p = 1, no input is
negative.

*The first test is a proof with probability one.* Let p = sum_i a_i p_i mix the t >= 2 samples in
T. R^T p is zero on the rows where all samples in T are, which have rank b - t at most, and on rows
where sum_i a_i x_i = 0 though not all of these x_i are zero. If the preceding layer's weights have
a density (as at initialisation) and its inputs are independent, the rows of X are independent, each
with a density on its support; the t - 1 degrees of freedom of a then satisfy t - 1 such equations
and never one more. To reach rank b - 1 all of them are needed, so that each carries a dimension
alone, and without any of them the zeros do not determine p.

*The second test* costs nothing and is independent of the first: a mixture of nonnegative inputs
with coefficients of both signs would have to be nonnegative everywhere. It also shows if the
premises fail, for instance at a layer whose inputs are not outputs of a ReLU.
"""

import torch
from torch import Tensor

from spear.inversion.directions.distinct import (
    CLEARLY,
    SAME_DESCENDED_INPUT,
    SAME_EXACT,
    distinct,
)
from spear.inversion.directions.exact import Polish
from spear.inversion.directions.selection import sparsest_independent
from spear.inversion.directions.zeros import sparsity
from spear.inversion.factors.noise import NEAR_ZERO
from spear.inversion.inputs.problem import InputProblem
from spear.reconstruction import Status

ACCIDENTAL = 0.02
"""Largest expected number of inputs of one example that pass for zero by chance, in a proof that
rests on zeros alone; 1e-3 in float32 gradients. At 0.06, mixtures passed for inputs."""


class InputPool:
    """Exact directions p, and the sparsest independent ones among them.

    Args:
        problem: the transposed factorisation.

    Attributes:
        basis: unit rows (f x b), those with the most zeros first.
    """

    def __init__(self, problem: InputProblem) -> None:
        self.problem = problem
        self.polish = Polish(problem)
        self.basis = problem.left.new_zeros(0, problem.b)
        if problem.b == 1:  # every direction in one dimension is the right one
            self.basis = problem.left.new_ones(1, 1)
        self._pool = self.basis

    def __len__(self) -> int:
        return len(self.basis)

    def add(self, directions: Tensor) -> None:
        """Make directions (k x b) exact and keep those that pass."""
        exact = self.polish(distinct(directions, SAME_DESCENDED_INPUT))
        exact = exact[~self.problem.negative(self.problem.scaled(exact)).any(dim=1)]
        angle = self.problem.noise.angle(exact.T).clamp(min=SAME_EXACT)[:, None]
        fresh = distinct(exact, angle, self._pool)
        if len(fresh) > 0:
            self._pool = torch.cat([self._pool, fresh])
            apart = self._apart()
            self.basis = apart[sparsest_independent(self.problem, apart.T)]

    def _apart(self) -> Tensor:
        """The pool without directions that may be copies of sparser ones in it."""
        order = sparsity(self.problem, self._pool.T).argsort(descending=True, stable=True)
        ordered, noise = self._pool[order], self.problem.noise
        angle = CLEARLY * noise.not_zero * noise.angle(ordered.T)
        return distinct(ordered, angle.clamp(min=SAME_EXACT)[:, None])

    @property
    def status(self) -> Status:
        """Return `EXACT` with b directions, `APPROXIMATE` if noise blurs them, their zeros or their
        scale, else `PARTIAL`."""
        if len(self) < self.problem.b or self._any_negative():
            return Status.PARTIAL
        noise = self.problem.noise
        zeros_by_chance = NEAR_ZERO * self.problem.m * noise.not_zero * noise.angle(self.basis.T)
        sharp = not noise.white and bool(zeros_by_chance.max() <= ACCIDENTAL)
        return Status.EXACT if sharp and self.problem.bias_fits else Status.APPROXIMATE

    def _any_negative(self) -> bool:
        """Whether an input is, as a batch of one may turn out to be, which has no other test."""
        return bool(self.problem.negative(self.problem.scaled(self.basis)).any())
