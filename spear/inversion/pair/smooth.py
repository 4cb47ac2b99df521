"""The engine for smooth activations: forward consistency, or backward if G2 is weak or noisy."""

import torch

from spear.inversion.pair.backward_search import backward_renewed, backward_round
from spear.inversion.pair.forward_search import forward_renewed, forward_round
from spear.inversion.pair.half_linear import half_linear_round, suits
from spear.inversion.pair.likely import likely
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.sharpening import backward_sharpened
from spear.inversion.pair.starts import DrawStarts, random_starts

WEAK = 100.0
"""Least singular value of G2, in errors of it, that tells a direction of its rows to 1 %."""

DOUBTFUL = 1e4
"""The same, from which samples are known well enough for those behind them to be found."""


class SmoothEngine:
    """Descends from many rows on random subsets of the neurons.

    Args:
        starts: of descents on forward consistency; random ones unless given.
    """

    def __init__(self, starts: DrawStarts = random_starts) -> None:
        self.starts = starts

    def search(
        self, problem: PairProblem, generator: torch.Generator, slack: float = 1.0
    ) -> tuple[Samples, int]:
        """Implement `Engine.search`."""
        # In noise forward consistency has many near-solutions; backward adds the other gradient.
        if problem.spans_activations and not problem.noisy:
            found, starts = forward_round(problem, generator, slack=slack, starts=self.starts)
            if len(found) or slack == 1.0 or not _weak(problem, WEAK):
                return found, starts
            found, more = backward_round(problem, generator, slack)
            return found, starts + more
        if suits(problem.activation) and not problem.noisy:
            return half_linear_round(problem, generator)
        return backward_round(problem, generator, slack)

    def renewed(self, problem: PairProblem, samples: Samples) -> Samples:
        """Implement `Engine.renewed`."""
        if problem.noisy:  # backward consistency tells more, as it is of both gradients
            samples = backward_renewed(problem, samples)
            return samples[likely(problem, samples)]
        if problem.spans_activations:
            return forward_renewed(problem, samples)
        return backward_renewed(problem, samples)

    def sharpened(self, problem: PairProblem, samples: Samples) -> Samples:
        """Implement `Engine.sharpened`."""
        if problem.noisy or (problem.spans_activations and not _weak(problem, DOUBTFUL)):
            return self.renewed(problem, samples)
        return backward_sharpened(problem, samples)


def _weak(problem: PairProblem, errors: float) -> bool:
    """Tell whether the least singular value of G2 is less than so many errors of it."""
    return bool(problem.next_values[-1] < errors * problem.next_error * problem.m**0.5)
