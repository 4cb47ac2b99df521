"""Interface of searches for directions p, which are made exact and judged elsewhere."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from spear.inversion.inputs.problem import InputProblem


@dataclass(frozen=True)
class Drawn:
    """Yield of one round of a search.

    Attributes:
        directions: approximate unit vectors (k x b, float64).
        starts: descents and linear programs that were run.
        submatrices: submatrices that were sampled.
    """

    directions: Tensor
    starts: int = 0
    submatrices: int = 0


class InputSearch(Protocol):
    """Looks for the columns of P. A new one is a class with this call and a file in
    `conf/attack/search`."""

    def __call__(
        self, problem: InputProblem, known: Tensor, round_: int, generator: torch.Generator
    ) -> Drawn:
        """Run one round.

        Args:
            problem: the transposed factorisation.
            known: exact directions found so far (f x b).
            round_: number of the round, from 0.
            generator: on the device of the problem.
        """
        ...
