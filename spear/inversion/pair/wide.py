"""The engine for ReLU behind a wide layer, in which every pass over the neurons counts.

Two tests are left to the certificate, whose cost does not grow with the neurons: whether its zeros
determine a direction, and whether a sample that is solved anew has settled. The pieces of a sample
that is known already are known, so that one least squares problem solves it.
"""

import torch
from torch import Tensor

from spear.inversion.directions.exact import Polish
from spear.inversion.pair.certificate import certified_rows
from spear.inversion.pair.finish import determined_by_zeros, kernels
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.sparse import SparseEngine, samples_of

WIDE = 1000
"""Neurons from which on it saves time."""


class WideEngine(SparseEngine):
    """Descends to the directions on which L vanishes most often, with fewer passes over L."""

    def exact(self, problem: PairProblem, ends: Tensor) -> Tensor:
        """Return exact directions, mixtures among them."""
        return Polish(problem.first).converged(ends)

    def renewed(self, problem: PairProblem, samples: Samples) -> Samples:
        """Implement `Engine.renewed`."""
        if problem.b == 1:
            return super().renewed(problem, samples)
        slopes = problem.activation.slope(problem.pre_activations(samples.rows))
        generator = torch.Generator(device=slopes.device).manual_seed(0)  # of a subset
        rows, kept = certified_rows(problem, slopes, torch.zeros_like(slopes), generator)
        order = kept.argsort()
        rows, kept = rows[order], kept[order]
        told = determined_by_zeros(problem, rows)[:, None]
        directions = torch.where(told, kernels(problem, rows), samples.directions[kept])
        return samples_of(problem, rows, directions, samples.next_coordinates[kept])
