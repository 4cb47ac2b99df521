"""Levenberg-Marquardt from many starts at once (Levenberg 1944, Marquardt 1963)."""

from typing import Protocol

import torch
from torch import Tensor

FIRST_DAMPING = 1e-2
NEARLY_NEWTON = 1e-9
"""Damping that leaves a step as Gauss and Newton have it."""

EASIER, HARDER = 0.2, 5.0
"""Factors on the damping after a step that lowers the cost, and after one that does not."""

MOST_DAMPING = 1e4
"""Damping at which a start gives up: no step lowers its cost."""

RIDGE = 1e-13
"""Least damping, relative to the largest diagonal entry, that keeps the matrix factorisable."""

STALLED = 1e-4
"""Relative decrease below which a start with a large cost rests in a local minimum."""


class Objective(Protocol):
    """A sum of squares at many points at once."""

    def cost(self, points: Tensor) -> Tensor:
        """Sum of squares at each point (K x d); K."""
        ...

    def normal_equations(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """J^T J (K x d x d) and J^T r (K x d) at each point, J the Jacobian of the residual r."""
        ...


def minimise(
    objective: Objective,
    starts: Tensor,
    iterations: int,
    enough: float,
    promising: float,
    first_damping: float = FIRST_DAMPING,
) -> tuple[Tensor, Tensor]:
    """Descend from every start, each with a damping of its own.

    Args:
        objective: to minimise.
        starts: K x d.
        iterations: at most.
        enough: cost at which a start has arrived.
        promising: cost below which a start that hardly moves goes on, until a step fails.
        first_damping: `NEARLY_NEWTON` for starts that are nearly solutions.

    Returns:
        The points reached (K x d) and their costs (K).
    """
    points, costs = starts.clone(), objective.cost(starts)
    damping = torch.full_like(costs, first_damping)
    moving = torch.arange(len(starts), device=starts.device)
    for _ in range(iterations):
        moving = moving[(costs[moving] > enough) & (damping[moving] < MOST_DAMPING)]
        if len(moving) == 0:
            break
        here, before = points[moving], costs[moving]
        there = here + _step(objective, here, damping[moving])
        after = objective.cost(there)
        better = after < before
        points[moving] = torch.where(better[:, None], there, here)
        costs[moving] = torch.where(better, after, before)
        damping[moving] *= torch.where(better, EASIER, HARDER)
        stalled = better & (before - after < STALLED * before) & (after > promising)
        arrived = ~better & (before <= promising)
        moving = moving[~(stalled | arrived)]
    return points, costs


def _step(objective: Objective, points: Tensor, damping: Tensor) -> Tensor:
    matrices, gradients = objective.normal_equations(points)
    diagonal = matrices.diagonal(dim1=1, dim2=2)
    diagonal += damping[:, None] * diagonal + RIDGE * diagonal.amax(dim=1, keepdim=True)
    factor, info = torch.linalg.cholesky_ex(matrices)
    step = -torch.cholesky_solve(gradients[:, :, None], factor)[:, :, 0]
    return torch.where((info == 0)[:, None], step, 0.0).nan_to_num(0.0)
