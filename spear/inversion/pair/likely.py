"""Samples of a noisy pair, judged on all of its neurons by what noise explains."""

import torch
from torch import Tensor

from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.forward import residuals
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.tolerance import LIKELY, POSSIBLE, backward_errors, forward_errors


def likely(problem: PairProblem, samples: Samples) -> Tensor:
    """Mark the samples that satisfy both consistencies as nearly as noise explains (k).

    Without noise the searches judge. Behind a piecewise linear activation a neuron of the wrong
    piece weighs more than noise, and backward consistency is not asked.

    Args:
        problem: a noisy pair.
        samples: any number.
    """
    found = torch.ones(len(samples), dtype=torch.bool, device=problem.left.device)
    if problem.activation.pieces is None:
        _, backward = samples_of_rows(problem, samples.rows)
        found &= backward < LIKELY * backward_errors(problem, samples)
    if problem.spans_activations:  # weak rows of R2 make the prediction of this one uncertain
        forward = residuals(problem, samples.rows)
        found &= forward < POSSIBLE * forward_errors(problem, samples.rows)
    return found
