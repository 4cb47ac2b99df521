"""From the samples that a search found to a reconstruction, and the verdict on it."""

import math

import torch

from spear.inversion.directions.sparsity_matching import sparsity_matching
from spear.inversion.factors.input_errors import input_errors, qualified
from spear.inversion.pair.finish import finished, unfinished
from spear.inversion.pair.joint_fit import refit
from spear.inversion.pair.likelihood_fit import most_likely
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.proof import evidence, verdict
from spear.inversion.pair.scale import rests_on_biases
from spear.reconstruction import RESTS_ON_BIASES, Reconstruction, Status

AGAIN = 4
"""Further joint fits of a batch whose residuals are too large: conjugate gradients end early where
the equations are badly conditioned."""


def reconstruction_of(
    problem: PairProblem,
    samples: Samples,
    otherwise: Status,
    details: dict[str, float],
    seconds: float = 0.0,
) -> Reconstruction:
    """Complete and judge the samples of a layer pair.

    Args:
        problem: the whole pair.
        samples: those found.
        otherwise: the status if some are missing.
        details: of the search; the largest relative residual of the proof comes to them.
        seconds: wall time until here.
    """
    status = otherwise
    if len(samples) == problem.b:
        disaggregation = finished(problem, samples)
        misfit = 0.0
        if problem.noisy:
            disaggregation, misfit = most_likely(problem, disaggregation)
            details = details | {"misfit": misfit}
        found = evidence(problem, disaggregation, misfit)
        for _ in range(AGAIN):
            if found.explained or problem.noisy or problem.activation.pieces is not None:
                break
            disaggregation = torch.linalg.inv(refit(problem, torch.linalg.inv(disaggregation)))
            found = evidence(problem, disaggregation)
        details = details | {"residual": found.largest}
        status = verdict(problem, found)
        if status is Status.EXACT and rests_on_biases(problem, found):
            details = details | {RESTS_ON_BIASES: 1.0}
        status, details = qualified(status, details, input_errors(problem.first, disaggregation))
    else:
        disaggregation = unfinished(problem, samples)
    is_relu = problem.activation.name == "relu"
    return Reconstruction(
        inputs=torch.linalg.solve(disaggregation, problem.first.right).cpu(),
        activation_gradients=(problem.left @ disaggregation).cpu(),
        disaggregation=disaggregation.cpu(),
        sparsity_matching=sparsity_matching(problem.first, disaggregation) if is_relu else math.nan,
        n_directions=len(samples),
        submatrices=0,
        seconds=seconds,
        status=status,
        details=details,
    )
