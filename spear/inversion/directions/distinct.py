"""Duplicate directions: the angles below which two are the same, and the choice of one of each.

A direction is found again and again, and each time a little differently. The difference depends on
its origin, so that there is one threshold for each origin:

* *searched in float32*, an angle of rounding errors, magnified by the condition of the rows or of
  the descent that led there (`SAME_SAMPLED`, `SAME_DESCENDED`, `SAME_DESCENDED_INPUT`);
* *exact*, refitted in float64 to all of its zero rows (`SAME_EXACT`), unless the noise of the
  gradient leaves more open (`Noise.angle`): callers take the larger of the two;
* *copied*: a direction is compared with a list that it may be a member of (`ITSELF`).
"""

import torch
from torch import Tensor

SAME_EXACT = 1e-5
"""Angle below which two exact directions are one."""

SAME_SAMPLED = 1e-2
"""Angle below which two directions from submatrices of b - 1 rows in float32 are one: nothing
averages the errors of so few rows."""

SAME_DESCENDED = 3e-3
"""Angle below which two ends of a descent in float32 will be made exact to the same direction."""

SAME_DESCENDED_INPUT = 1e-3
"""The same for the inputs, where the weights are one-sided and a descent ends more sharply."""

NEARLY_SAME = 1e-2
"""Angle below which two exact directions count as one; the sparser is kept. The other is its
mixture with a direction that has nearly the same zeros."""

SAME_IN_NOISE = 0.9
"""Cosine above which two noisy directions are versions of the same one."""

CLEARLY = 10.0
"""Two directions of inputs are distinct if they differ by this many times the tolerance for zeros:
fits of one direction to different zero rows differ by a few times the noise."""

ITSELF = 1e-8
"""1 - |cos| (an angle of 1.4e-4) below which a direction counts as identical to one in a list that
it may be a member of."""


def distinct(directions: Tensor, angle: float | Tensor, known: Tensor | None = None) -> Tensor:
    """Return the directions (k x b) that `is_distinct` marks."""
    return directions[is_distinct(directions, angle, known)]


def is_distinct(directions: Tensor, angle: float | Tensor, known: Tensor | None = None) -> Tensor:
    """Mark directions further than `angle` from each one before them and from all known ones.

    A direction also goes if the one before it that it resembles has gone. All are compared with all
    at once: k (f + k) cosines.

    Args:
        directions: unit rows (k x b), the preferred ones first.
        angle: one for all, or each direction's own (k x 1).
        known: unit rows (f x b).

    Returns:
        k booleans.
    """
    if known is None:
        known = directions[:0]
    everything = torch.cat([known, directions])
    cosines = directions @ everything.T
    near = (1 - cosines.square()) < angle**2
    earlier = torch.ones_like(near).tril(diagonal=len(known) - 1)
    return ~(near & earlier).any(dim=1)


def first_of_each(directions: Tensor, angle: float, known: Tensor) -> Tensor:
    """Return the directions further than `angle` from all known and all returned before them.

    Unlike in `distinct`, one that resembles only what is dropped stays, and no table of all pairs
    is made: where thousands of submatrices give the same few directions it would not fit.

    Args:
        directions: unit rows (k x b), float64.
        angle: below which two are the same.
        known: unit rows (f x b).

    Returns:
        k' x b.
    """
    fresh = directions[:0]
    for direction in directions:
        others = torch.cat([known, fresh])
        parallel = others * (others @ direction)[:, None]
        if not bool((torch.linalg.vector_norm(direction - parallel, dim=1) < angle).any()):
            fresh = torch.cat([fresh, direction[None]])
    return fresh
