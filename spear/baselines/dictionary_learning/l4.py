"""MSP: a whole orthogonal dictionary at once, by the l4 norm of its codes."""

from collections.abc import Callable

import torch
from torch import Tensor

from spear.baselines.dictionary_learning.rounding import never
from spear.settings import check_least


class L4Maximisation:
    """Matching, stretching and projection (MSP) over the orthogonal group.

    A <- polar((A Y)^3 Y^T), entry by entry to the third power, from a random orthogonal A: the
    fixed points are stationary points of |A Y|_4 over orthogonal A, and for codes of independent
    Bernoulli-Gaussian entries the maxima are near the inverse dictionary. Zhai et al. (JMLR 2020),
    Algorithm 2, with Y preconditioned.

    Args:
        iterations: each one a singular value decomposition of a b x b matrix.

    Raises:
        ConfigError: there is none.
    """

    def __init__(self, iterations: int = 100) -> None:
        check_least(1, iterations=iterations)
        self.iterations = iterations

    def __call__(
        self, samples: Tensor, generator: torch.Generator, over: Callable[[], bool] = never
    ) -> Tensor:
        """Return the rows of A (b x b), unit directions whose products with the samples are sparse.

        Args:
            samples: Y^T, preconditioned, one a row (m x b).
            generator: of the start, on the CPU.
            over: whether to stop with the directions so far.
        """
        b = samples.shape[1]
        drawn = torch.randn(b, b, generator=generator, dtype=samples.dtype).to(samples.device)
        directions = polar(drawn)
        for _ in range(self.iterations):
            if over():
                break
            codes = samples @ directions.T
            directions = polar(codes.pow(3).T @ samples)
        return directions


def polar(matrix: Tensor) -> Tensor:
    """Return the orthogonal matrix nearest to a square one."""
    left, _, right = torch.linalg.svd(matrix)
    return left @ right
