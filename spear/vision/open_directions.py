"""States that rounding leaves open along a few directions, told by their position.

Two tokens that are nearly equal leave one strong direction in the gradient, their sum, and a weak
one, their difference. Near rounding, forward consistency holds about as well all along the line
through both states, and the search ends somewhere on it, at no token. Such directions d of a row p
are the eigenvectors of J^T J that move the state u = R^T p the most at one cost. The equations of
a position are linear in the state, so that each is one more unknown tau:

    Q^T g_p = a Q^T [v; 0] + a tau Q^T [dv; 0].

Each position at which this holds tells one of the tokens on the line.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from spear.inversion.pair.forward_search import on_neurons
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace
from spear.vision.first_block import FirstBlock
from spear.vision.positions import place
from spear.vision.token_equations import TokenEquations

DIRECTIONS = 3
"""Directions along which a state may be open: one tells 97 % of the error of the weakest tokens."""

SPARED = 8
"""Equations for each of them: with fewer, a false state would fit, too."""

WELL = 0.02
"""Residual of a position up to which a state needs no correction."""

FITTING = 0.2
"""Residual of a position up to which a state may be a token's; false ones have 0.7 and more."""

CORRECTED = 0.1
"""The same after a correction, which makes the residuals of wrong positions smaller, too."""

LARGEST = 0.2
"""Largest correction of a state, relative to it."""

SAME, UNCERTAIN = 3e-3, 0.25
"""Relative distance of two states at one position below which they are one: this, or this share of
the correction that led to the second."""


@dataclass(frozen=True)
class Positioning:
    """The test of the first block, for the rows of a layer pair.

    Attributes:
        problem: the whole pair of the first feed-forward block.
        block: the first of the model.
        systems: equations of its positions.
    """

    problem: PairProblem
    block: FirstBlock
    systems: Sequence[TokenEquations]

    def fits(self, rows: Tensor) -> Tensor:
        """Mark the rows p (k x b) that may be tokens; all if positions have too few equations."""
        if min(each.spare for each in self.systems) < SPARED:
            return torch.ones(len(rows), dtype=torch.bool)
        return self.residuals(rows) < FITTING

    def residuals(self, rows: Tensor) -> Tensor:
        """Return the residual of rows p (k x b) at the position of each (k)."""
        directions = self.block.before_feed_forward.directions
        return place(directions(rows @ self.problem.first.right), self.systems).residuals

    def sorted_out(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Find the tokens among rows, and those on the open directions of the others.

        Args:
            rows: p (k x b); of two that are one token the first is kept.

        Returns:
            The indices of rows that are tokens as they are, and further rows (k' x b).
        """
        directions = self.block.before_feed_forward.directions
        placed = place(directions(rows @ self.problem.first.right), self.systems)
        well = (placed.residuals <= WELL).nonzero()[:, 0].tolist()
        tokens = _Distinct(self.problem.first.right)
        given = [_Token(each, int(at)) for each, at in zip(rows, placed.positions, strict=True)]
        kept = [i for i in well if tokens.add(given[i])]
        others = (placed.residuals > WELL).nonzero()[:, 0].tolist()
        found = []
        for i in others:
            corrected = sorted(self._corrected(rows[i]), key=lambda each: each.length)
            found += [each.row for each in corrected if tokens.add(each)]
            fits = float(placed.residuals[i]) < FITTING
            if not corrected and fits and tokens.add(given[i]):
                kept.append(i)
        return torch.tensor(kept, dtype=torch.long), torch.stack(found) if found else rows[:0]

    def _corrected(self, row: Tensor) -> Iterator["_Token"]:
        """Tokens that may lie on the open directions of a row."""
        right, directions = self.problem.first.right, self.block.before_feed_forward.directions
        state = row @ right
        open_rows = self._open_directions(row)
        sides = directions(torch.stack([state, *(state + open_rows @ right)]))
        sides[1:] -= sides[0]
        for system in self.systems:
            count = min(len(open_rows), system.spare // SPARED)
            columns = sides[: count + 1] @ system.null_space[: self.block.width]
            constants = system.constants @ system.null_space
            solution = torch.linalg.lstsq(columns.T, constants.T).solution.T
            rest = torch.linalg.vector_norm(constants - solution @ columns, dim=1)
            residuals = rest / torch.linalg.vector_norm(constants, dim=1)
            steps = solution[:, 1:] / solution[:, :1] @ open_rows[:count]
            lengths = torch.linalg.vector_norm(steps @ right, dim=1) / state.norm()
            good = (residuals < CORRECTED) & (lengths < LARGEST)
            for i in good.nonzero()[:, 0].tolist():
                yield _Token(row + steps[i], int(system.positions[i]), float(lengths[i]))

    def _open_directions(self, row: Tensor) -> Tensor:
        """Changes of a row that cost the same and move the state the most (k x b)."""
        space = RowSpace.of(self.problem)
        objective = on_neurons(self.problem, space)
        matrices, _ = objective.normal_equations(space.coordinates(row[None]))
        values, vectors = torch.linalg.eigh(matrices[0])
        least = torch.finfo(values.dtype).eps * values[-1:]
        changes = (space.basis @ vectors / values.clamp(min=least).sqrt()).T
        moved = torch.linalg.vector_norm(changes @ self.problem.first.right, dim=1)
        return changes[moved.argsort(descending=True)[:DIRECTIONS]]


class _Token(NamedTuple):
    """A row at a position, and the length of the correction that led there."""

    row: Tensor
    position: int
    length: float = 0.0


class _Distinct:
    """Tokens that differ in position or state."""

    def __init__(self, right: Tensor) -> None:
        self._right = right
        self._states: dict[int, list[Tensor]] = {}

    def add(self, token: _Token) -> bool:
        """Add a token, unless it is one of them; tell whether it is new."""
        state, known = token.row @ self._right, self._states.setdefault(token.position, [])
        least = max(SAME, UNCERTAIN * token.length) * float(state.norm())
        new = all(float((state - each).norm()) >= least for each in known)
        if new:
            known.append(state)
        return new
