"""Sparse directions of a layer pair by IRLS, where each start ends when it has settled.

The steps are those of `spear.inversion.descent.sphere`; `Guide` replaces the predicted activity by
the computed one where starts would seldom hit without it. Most starts settle long before the
smoothing has fallen, and `Polish` needs no more of them.
"""

import torch
from torch import Tensor

from spear.inversion.descent.activation_weights import activation_weights, log_activation_weights
from spear.inversion.descent.coordinates import Frame
from spear.inversion.descent.sphere import ITERATIONS, RIDGE, SHRINKING, sparsity_weights
from spear.inversion.descent.starts import Starts
from spear.inversion.factors.gram import Grams, inverse_iteration
from spear.inversion.pair.guided import Guide

VAGUE = 6
"""First iterations, in which candidates are too vague to tell what is active, or to settle."""

GUIDED_SHARPNESS = 4.0
"""beta of the activation weights of computed pre-activations, which are to be trusted more."""

SETTLED = 1e-5
"""1 - cos of the angle of a step from which a start goes on: 0.3 degrees."""


def sparse_ends(frame: Frame, starts: Starts, guide: Guide | None = None) -> Tensor:
    """Return the end of IRLS from each start.

    Args:
        frame: the coordinates of the round.
        starts: unit vectors and settings of K searches.
        guide: forward consistency in these coordinates; None to do without it.

    Returns:
        Unit vectors in the frame's coordinates (K x b).
    """
    grams, ends, smoothing = Grams(frame.left), starts.directions.clone(), 1.0
    moving = torch.arange(len(ends), device=ends.device)
    rows: Tensor | None = None
    for iteration in range(ITERATIONS):
        here = ends[moving]
        exponents, sharpness = starts.exponents[moving], starts.sharpness[moving]
        weights = sparsity_weights(here @ frame.left.T, exponents, smoothing)
        if guide is None or iteration < VAGUE:
            weights += log_activation_weights(frame, frame.predictor, frame.sums, here, sharpness)
        else:
            rows = guide.solved_rows(guide.predicted(here, rows))
            weights += activation_weights(guide.pre_activations(rows), GUIDED_SHARPNESS)
        there = inverse_iteration(grams(weights.exp_()), here, RIDGE)
        ends[moving] = there
        smoothing *= SHRINKING
        if iteration >= VAGUE:
            goes_on = 1 - (here * there).sum(dim=1).abs() > SETTLED
            moving, rows = moving[goes_on], None if rows is None else rows[goes_on]
            if len(moving) == 0:
                break
    return ends
