"""The engine for piecewise linear activations that leave no zeros: two regressions a neuron."""

import torch

from spear.inversion.descent.deflation import Known
from spear.inversion.pair.assignment import fitting_directions, round_size
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.certificate import certified_rows
from spear.inversion.pair.forward_search import forward_renewed, forward_round
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import mutually_consistent


class PiecewiseEngine:
    """Descends to directions that fit one of two slopes at every neuron."""

    def search(
        self, problem: PairProblem, generator: torch.Generator, slack: float = 1.0
    ) -> tuple[Samples, int]:
        """Implement `Engine.search`."""
        if problem.b == 1:
            return samples_of_rows(problem, 1 / problem.first.bias_coordinates[None])[0], 0
        count = round_size(problem.b)
        nothing = problem.left.new_zeros(0, problem.b)
        found = fitting_directions(problem, Known(nothing, nothing), count, generator)
        rows, right = certified_rows(problem, found.slopes, found.offsets, generator)
        found = found.these(right)
        samples = Samples.scaled(rows, found.directions, found.next_coordinates)
        samples = samples[mutually_consistent(problem, samples)]
        if len(samples) == 0:  # two slopes of one size tell little; the activations tell more
            samples, starts = forward_round(problem, generator)
            count += starts
        return samples, count

    def renewed(self, problem: PairProblem, samples: Samples) -> Samples:
        """Implement `Engine.renewed`."""
        return forward_renewed(problem, samples)

    def sharpened(self, problem: PairProblem, samples: Samples) -> Samples:
        """Implement `Engine.sharpened`: their pieces leave nothing in doubt."""
        return self.renewed(problem, samples)
