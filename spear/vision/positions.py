"""Position of each token: the only one at which its equations hold.

With Q^T H = 0, the equations H z = g_p - a [v; 0] have a solution only if Q^T g_p is parallel to
Q^T [v; 0]. Nothing else about the token has to be known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.vision.token_equations import TokenEquations


@dataclass(frozen=True)
class Placed:
    """Positions of tokens.

    Attributes:
        positions: the one that fits best, of each token (k).
        residuals: sine of the angle between both sides there, in [0, 1] (k).
        runners_up: the same at the second best position (k); 1 if there is no other.
        scales: a of each token at its position (k).
    """

    positions: Tensor
    residuals: Tensor
    runners_up: Tensor
    scales: Tensor


def place(directions: Tensor, systems: Sequence[TokenEquations]) -> Placed:
    """Return the position of each token.

    Args:
        directions: v, a row a token (k x d).
        systems: equations of the positions that there are.
    """
    found = [_fit(directions, each) for each in systems]
    places = torch.cat([each.positions for each in systems])
    residuals = torch.cat([each for each, _ in found], dim=1)
    scales = torch.cat([each for _, each in found], dim=1)
    order = torch.cat([residuals, torch.ones_like(residuals[:, :1])], dim=1).sort(dim=1)
    best = order.indices[:, :1]
    return Placed(
        positions=places[best[:, 0]],
        residuals=order.values[:, 0],
        runners_up=order.values[:, 1],
        scales=scales.gather(1, best)[:, 0],
    )


def _fit(directions: Tensor, system: TokenEquations) -> tuple[Tensor, Tensor]:
    """Residual and scale a of each token at each position (both k x positions)."""
    width = directions.shape[1]
    sides = directions @ system.null_space[:width]
    squares = sides.square().sum(dim=1)
    residuals, scales = [], []
    for constants in system.constants @ system.null_space:
        scale = sides @ constants / squares
        rest = constants - scale[:, None] * sides
        residuals.append(torch.linalg.vector_norm(rest, dim=1) / constants.norm())
        scales.append(scale)
    return torch.stack(residuals, dim=1).nan_to_num(1.0), torch.stack(scales, dim=1)
