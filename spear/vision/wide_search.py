"""Search for the tokens of a transformer: the layer pairs' own, from starts that lie further out.

Tokens of one image are much alike, so that the rows that tell them apart are long: 5 to 60 times
sqrt(b) / |s|, beside 1 to 5 times for images. From near starts the same few tokens are found again
and again. With starts 4 to 20 times out, the 136 tokens of 8 photographs take half the time.

Between tokens that are nearly equal, states that are none satisfy forward consistency, too. Taken
out of the gradients, they would hide all others. So what fits no position is not taken out.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from spear.inversion.pair.choice import Method, search_for, suitable
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace
from spear.inversion.pair.search import Search
from spear.inversion.pair.smooth import SmoothEngine
from spear.inversion.pair.solver import Peeling

FURTHER = 5.0
"""Distance of the starts in units of those of `RowSpace`."""


class WideEngine(SmoothEngine):
    """The engine for smooth activations, with starts further out after the first round in vain."""

    def search(
        self, problem: PairProblem, generator: torch.Generator, slack: float = 1.0
    ) -> tuple[Samples, int]:
        """Implement `Engine.search`."""
        found, starts = super().search(problem, generator, slack)
        if len(found) == 0:
            self.starts = far_starts
        return found, starts


class TokenPeeling(Peeling):
    """The search of layer pairs, for tokens that fit a position.

    Args:
        problem: the whole of it.
        fits: marks the rows of the whole problem that may be tokens (k).
        seed: of the starts.
    """

    def __init__(self, problem: PairProblem, fits: Callable[[Tensor], Tensor], seed: int) -> None:
        super().__init__(problem, WideEngine(), seed)
        self._fits = fits

    def _searched(self, slack: float) -> tuple[Samples, int]:
        """Implement `Peeling._searched`."""
        found, starts = super()._searched(slack)
        return found[self._fits(found.rows @ self._rest.row_map)], starts


def far_starts(
    problem: PairProblem, space: RowSpace, count: int, generator: torch.Generator
) -> Tensor:
    """Implement `spear.inversion.pair.starts.Starts` with starts further out."""
    return replace(space, typical=FURTHER * space.typical).random(count, generator)


def token_search(problem: PairProblem, fits: Callable[[Tensor], Tensor], seed: int) -> Search:
    """Return the search for the tokens of a feed-forward block.

    Args:
        problem: the pair of its two layers in factors.
        fits: marks the rows of the problem that may be tokens (k).
        seed: of the starts.
    """
    method = suitable(problem.activation, problem.spans_activations)
    if problem.noisy or method is not Method.DESCENT:
        return search_for(problem, None, seed)
    return TokenPeeling(problem, fits, seed)
