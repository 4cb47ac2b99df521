"""Sparse directions one at a time, by a smooth l1 norm over the sphere."""

from collections.abc import Callable

import torch
from torch import Tensor

from spear.baselines.dictionary_learning.rounding import never
from spear.inversion.factors.gram import unit
from spear.settings import check_above_zero, check_least

SHRUNK = 0.5
"""Factor of a step that did not lower the objective."""

GROWN = 1.2
"""Factor of one that did."""


class RiemannianL1:
    """Riemannian gradient descent on mean h(q . y), h(t) = mu log cosh(t / mu), over the sphere.

    Sun, Qu and Wright (2017) minimise this surrogate of the l1 norm. Their local minima are near
    the rows of the inverse dictionary; a start is random. They use a trust region; the descent with
    a step of its own for each start is ours, and so is that many starts descend at once.

    Args:
        starts: descents, as a multiple of b.
        iterations: steps of each.
        smoothing: mu, where samples have unit variance.

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(self, starts: float = 4.0, iterations: int = 300, smoothing: float = 0.05) -> None:
        check_above_zero(starts=starts, smoothing=smoothing)
        check_least(1, iterations=iterations)
        self.starts = starts
        self.iterations = iterations
        self.smoothing = smoothing

    def __call__(
        self, samples: Tensor, generator: torch.Generator, over: Callable[[], bool] = never
    ) -> Tensor:
        """Return the unit directions that the descents end at (k x b).

        Args:
            samples: Y^T, preconditioned, one a row (m x b).
            generator: of the starts, on the CPU.
            over: whether to stop with the directions so far.
        """
        b = samples.shape[1]
        k = max(1, round(self.starts * b))
        drawn = torch.randn(k, b, generator=generator, dtype=samples.dtype)
        directions = unit(drawn.to(samples.device))
        steps = samples.new_full((k, 1), 0.5)
        values, slopes = self._evaluated(samples, directions)
        for _ in range(self.iterations):
            if over():
                break
            tried = unit(directions - steps * slopes)
            new_values, new_slopes = self._evaluated(samples, tried)
            better = (new_values < values)[:, None]
            directions = torch.where(better, tried, directions)
            slopes = torch.where(better, new_slopes, slopes)
            values = torch.where(better[:, 0], new_values, values)
            steps = torch.where(better, GROWN * steps, SHRUNK * steps)
        return directions

    def _evaluated(self, samples: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """The objective of each direction (k), and its Riemannian gradient (k x b)."""
        codes = directions @ samples.T / self.smoothing
        sizes = codes.abs()
        values = self.smoothing * (sizes + torch.log1p(torch.exp(-2 * sizes))).mean(dim=1)
        slopes = codes.tanh() @ samples / len(samples)
        return values, slopes - (slopes * directions).sum(dim=1, keepdim=True) * directions
