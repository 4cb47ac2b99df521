"""Directions behind a piecewise linear activation, each neuron assigned to one of its slopes."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.descent.coordinates import build_frame
from spear.inversion.descent.deflation import Deflation, Known
from spear.inversion.descent.starts import (
    EXPONENTS,
    FEWEST,
    SHARPNESS,
    Starts,
    random_starts,
)
from spear.inversion.directions.distinct import SAME_EXACT, is_distinct
from spear.inversion.directions.exact import SEARCH_DTYPE
from spear.inversion.factors.gram import unit
from spear.inversion.pair.backward import solved_for_slopes
from spear.inversion.pair.beside import common
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.regressions import Regressions
from spear.inversion.pair.search import MOST_STARTS

ALTERNATIONS = 4
"""Assignments of the neurons, each from the last solution."""

FITTING = 1e-3
"""Relative residual of backward consistency of a direction that may be right."""


@dataclass(frozen=True)
class Fitted:
    """Directions that solve backward consistency with a slope for each neuron.

    Attributes:
        directions: q, with |L q| = sqrt(m) (k x b).
        next_coordinates: e (k x r).
        slopes, offsets: a = slope * z + offset, of each neuron (k x m).
        residuals: of each direction, relative to |L q| (k).
    """

    directions: Tensor
    next_coordinates: Tensor
    slopes: Tensor
    offsets: Tensor
    residuals: Tensor

    def these(self, index: Tensor) -> "Fitted":
        """Return some of them."""
        return Fitted(*(each[index] for each in vars(self).values()))


def round_size(missing: int) -> int:
    """Starts of a round: as many as directions are missing, within bounds."""
    return max(FEWEST, min(MOST_STARTS, missing))


def fitting_directions(
    problem: PairProblem, known: Known, count: int, generator: torch.Generator, prior: float = 0.0
) -> Fitted:
    """Descend from random starts to directions that fit.

    Args:
        problem: with a piecewise linear activation.
        known: directions and rows to keep away from.
        count: number of starts.
        generator: of the starts.
        prior: of the coordinates (`build_frame`).

    Returns:
        Different ones, the best first.
    """
    active = problem.first.active
    frame = build_frame(problem.first, prior, SEARCH_DTYPE, common(problem))
    deflation = Deflation(frame, known, repel=True)
    starts = random_starts(count, problem.b, EXPONENTS, SHARPNESS, generator, SEARCH_DTYPE)
    starts = Starts(unit(deflation.clear(starts.directions)), starts.exponents, starts.sharpness)
    columns, triangle = torch.linalg.qr(problem.back[active])
    scale = len(columns) ** 0.5
    inner, outer = _two_slopes(problem)
    assert problem.activation.pieces is not None
    regressions = Regressions(
        frame=frame,
        back=(columns * scale).to(SEARCH_DTYPE),
        outer=(outer / inner)[active].to(SEARCH_DTYPE),
        pieces=problem.activation.pieces,
    )
    found, nexts = regressions.descend(starts, deflation)
    directions = torch.linalg.solve_triangular(frame.mixing.T, found.double().T, upper=True).T
    nexts = torch.linalg.solve_triangular(triangle, nexts.double().T * scale, upper=True).T
    fitted = assigned(problem, directions, nexts / inner)
    order = fitted.residuals.argsort()
    fitted = fitted.these(order[fitted.residuals[order] < FITTING])
    return fitted.these(is_distinct(unit(fitted.directions), SAME_EXACT))


def assigned(problem: PairProblem, directions: Tensor, nexts: Tensor) -> Fitted:
    """Solve for q and e with each neuron's slope by the smaller residual, a few times over.

    Args:
        problem: with a piecewise linear activation.
        directions: nearly right q (k x b).
        nexts: their e (k x r).
    """
    inner, outer = _two_slopes(problem)
    for _ in range(ALTERNATIONS):
        columns, behind = directions @ problem.left.T, nexts @ problem.back.T
        inside = (columns - inner * behind).abs() < (columns - outer * behind).abs()
        slopes = torch.where(inside, inner, outer)
        directions, nexts, residuals = solved_for_slopes(problem, slopes)
    lengths = torch.linalg.vector_norm(directions @ problem.left.T, dim=1)
    sizes = (lengths / problem.m**0.5)[:, None]
    offsets = _offsets(problem, directions, inside)
    return Fitted(directions / sizes, nexts / sizes, slopes, offsets, residuals)


def _two_slopes(problem: PairProblem) -> tuple[float, Tensor]:
    pieces = problem.activation.pieces
    assert pieces is not None
    outer = torch.as_tensor(pieces.outer, dtype=torch.float64, device=problem.left.device)
    return pieces.inner, outer.expand(problem.m)


def _offsets(problem: PairProblem, directions: Tensor, inside: Tensor) -> Tensor:
    """Offsets of the pieces; which outer piece a neuron is in follows from the predicted z."""
    pieces = problem.activation.pieces
    assert pieces is not None
    scales = (directions @ problem.first.bias_coordinates)[:, None]
    z = problem.pre_activations(directions / scales)
    if math.isinf(pieces.upper) or math.isinf(pieces.lower):
        end = torch.full_like(z, pieces.lower if math.isinf(pieces.upper) else pieces.upper)
    else:
        end = torch.where(z > (pieces.lower + pieces.upper) / 2, pieces.upper, pieces.lower)
    inner, outer = _two_slopes(problem)
    return torch.where(inside, 0.0, (inner - outer) * end)
