"""Search for the missing directions: those found, and their rows of Q^-1, are taken out.

With Q = [q_1 .. q_b] and rows p_i of Q^-1, p_i . q_l = 0 for i != l. Of the f found directions the
certificate knows q_l and p_l. A missing direction q is orthogonal to every found p_l; a missing row
p is orthogonal to every found q_l. Both are used: the first keeps the search away from what it has
found already, the second makes the predicted pre-activations of a candidate ever more exact (when
one direction is missing its row is known exactly).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.descent.coordinates import Frame

STRENGTH = 3.0
"""Penalty on the span of the found rows at the start, as a multiple of the mean eigenvalue of H."""

FADED = 2 / 3
"""Share of the iterations after which the penalty is gone: fitted rows are not exact."""


@dataclass(frozen=True)
class Known:
    """Certified directions q_l and their fitted rows p_l of Q^-1 (f x b each)."""

    directions: Tensor
    rows: Tensor

    def __len__(self) -> int:
        return len(self.directions)


class Deflation:
    """The known part of Q in a frame.

    Args:
        frame: of the round.
        known: the certified directions.
        repel: whether the search keeps away from the found directions; if not, only the
            prediction uses them.
    """

    def __init__(self, frame: Frame, known: Known, repel: bool) -> None:
        found = _orthonormal(frame.enter(known.directions))
        self.predictor = frame.predictor - (frame.predictor @ found) @ found.T
        self.sums = frame.sums - found @ (found.T @ frame.sums)
        rows = known.rows if repel else known.rows[:0]
        self._rows = _orthonormal(frame.enter_rows(rows))
        self._projector = self._rows @ self._rows.T

    def clear(self, starts: Tensor) -> Tensor:
        """The part of starts (K x b) that is orthogonal to every found row p_l."""
        return starts - (starts @ self._rows) @ self._rows.T

    def penalise(self, grams: Tensor, progress: float) -> None:
        """Add the penalty q^T P q to H in place; `progress` in [0, 1] is how far the round is."""
        fade = max(0.0, 1.0 - progress / FADED)
        if self._rows.shape[1] == 0 or fade == 0.0:
            return
        scale = STRENGTH * fade * grams.diagonal(dim1=1, dim2=2).mean(dim=1)
        grams += scale[:, None, None] * self._projector


def _orthonormal(rows: Tensor) -> Tensor:
    """An orthonormal basis (b x f) of the span of f rows."""
    return torch.linalg.qr(rows.T).Q
