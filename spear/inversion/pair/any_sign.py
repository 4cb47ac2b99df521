"""Samples of any length behind a homogeneous activation: searches with s . p = 1 for a drawn s.

If sigma(t z) = t sigma(z) for t > 0 and there is no bias, a row p and t p of one sample have the
same part of both gradients, so that any s may fix the lengths. With s drawn at random, the rows
with s . p > 0 are what the searches for a layer with a bias find; those with s . p < 0 would have
to be turned, which is no solution. -s finds them.
"""

import torch

from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.engine import Engine
from spear.inversion.pair.forward import residuals
from spear.inversion.pair.forward_search import FITTING
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem

FORWARD = 3e-2
"""Relative residual of forward consistency of a sample, with the errors of those peeled off. One
that is turned has 0.3 and more."""


class AnySign:
    """Searches as another engine does, each time among the rows that have another sum as positive.

    Args:
        engine: finds samples with s . p = 1.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def search(
        self, problem: PairProblem, generator: torch.Generator, slack: float = 1.0
    ) -> tuple[Samples, int]:
        """Implement `Engine.search`."""
        sums = torch.randn(
            problem.b, generator=generator, dtype=torch.float64, device=problem.left.device
        )
        samples, starts = self.engine.search(problem.with_sum(sums), generator, slack)
        right = residuals(problem, samples.rows) < FORWARD
        samples = samples[right.nonzero()[:, 0]]
        if problem.b == 1 and len(samples):  # nothing was searched, nor tested
            samples = samples[(samples_of_rows(problem, samples.rows)[1] < FITTING).nonzero()[:, 0]]
        return samples, max(1, starts)

    def renewed(self, problem: PairProblem, samples: Samples) -> Samples:
        """Implement `Engine.renewed`."""
        if len(samples) == 0:
            return samples
        ones = samples.rows.new_ones(len(samples))
        sums = torch.linalg.pinv(samples.rows) @ ones  # s . p = 1 for all of them
        return self.engine.renewed(problem.with_sum(sums), samples)

    def sharpened(self, problem: PairProblem, samples: Samples) -> Samples:
        """Implement `Engine.sharpened`: their pieces leave nothing in doubt."""
        return self.renewed(problem, samples)
