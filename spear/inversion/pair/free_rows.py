"""Rows p of any scale: what is searched if no bias gradient says that s . p = 1."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace

SMALLEST, LARGEST = 0.2, 3.0
"""Root mean square of W1 x at the starts: where usual activations bend."""


@dataclass(frozen=True)
class FreeRows(RowSpace):
    """All rows: p = v, with 0 for the point.

    Attributes:
        predictor: M (m x b), so that W1 x = M p.
    """

    predictor: Tensor

    @classmethod
    def of(cls, problem: PairProblem) -> "FreeRows":
        """Return the rows of a problem."""
        predictor = problem.first.projected_weight
        whole = torch.eye(problem.b).to(predictor)
        return cls(torch.zeros_like(whole[0]), whole, 1.0, predictor)

    def random(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw rows of random direction, with pre-activations of random size (count x b)."""
        dtype, device = self.point.dtype, self.point.device
        rows = torch.randn(count, self.dimension, generator=generator, dtype=dtype, device=device)
        shares = torch.rand(count, 1, generator=generator, dtype=dtype, device=device)
        sizes = (rows @ self.predictor.T).square().mean(dim=1, keepdim=True).sqrt()
        return rows / sizes * SMALLEST * (math.log(LARGEST / SMALLEST) * shares).exp()
