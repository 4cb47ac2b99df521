"""The search behind a ReLU under noise: by the zeros of the first layer's gradient alone.

Forward consistency needs the row space of G2, in which noise hides weak samples before it hides
them in G1. The zeros of L q need no second gradient. The proof asks both gradients all the same.
"""

import torch

from spear.inversion.descent.rounds import Search as Descent
from spear.inversion.descent.rounds import Settings
from spear.inversion.directions.scale import fix_scale, is_regular
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.search import Search


class ZeroSearch(Search):
    """Finds the samples of a noisy pair behind a ReLU as `attack=spear_irls` does.

    Args:
        problem: the whole of it.
        seed: of the starts.
    """

    def __init__(self, problem: PairProblem, seed: int) -> None:
        super().__init__(problem, seed)
        self._descent = Descent(problem.first, Settings(), seed)

    def round(self) -> None:
        """Search once from new starts."""
        descent, first = self._descent, self.problem.first
        descent.round()
        self.rounds, self.starts = descent.rounds, descent.starts
        directions, rows = descent.known.directions, descent.known.rows
        whole = descent.selection.directions
        if descent.solved and is_regular(whole):
            scaled = fix_scale(first, whole)
            directions, rows = scaled.T, torch.linalg.inv(scaled)
        elif len(directions) == self.problem.b:  # not settled yet
            directions, rows = directions[:-1], rows[:-1]
        nexts = rows.new_zeros(len(rows), self.problem.r)  # the proof solves for them
        self.known = Samples.scaled(rows, directions, nexts)
