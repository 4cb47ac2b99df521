"""Algorithm 1 on the transposed problem: submatrices of R^T instead of L (Theorem 3.3)."""

import torch
from torch import Tensor

from spear.inversion.directions.exact import SEARCH_DTYPE
from spear.inversion.directions.zeros import first_zeros
from spear.inversion.inputs.problem import InputProblem
from spear.inversion.inputs.search import Drawn
from spear.inversion.sampling.algorithm import FIRST_CHUNK
from spear.inversion.sampling.samplers import InformationSetSampler, Sampler
from spear.inversion.sampling.screening import largest_chunk


class Sampling:
    """Kernels of random submatrices that vanish on one row more than they must.

    Args:
        sampler: method that turns submatrices into directions; `InformationSetSampler` unless
            given.
    """

    def __init__(self, sampler: Sampler | None = None) -> None:
        self.sampler = sampler or InformationSetSampler()

    def __call__(
        self, problem: InputProblem, known: Tensor, round_: int, generator: torch.Generator
    ) -> Drawn:
        """Implement `InputSearch`. Each round draws twice as many as the last, up to a limit."""
        left = problem.left.to(SEARCH_DTYPE)
        most = largest_chunk(problem.b, SEARCH_DTYPE, left.device)
        count = min(FIRST_CHUNK << min(round_, 32), most)
        directions = self.sampler.draw(left, count, generator)
        sparse = directions[first_zeros(left, directions) >= problem.b]
        return Drawn(sparse.to(problem.left.dtype), submatrices=len(directions))
