"""Verdict of the ReLU pattern on a full set of directions: exact, approximate, or not right."""

import torch
from torch import Tensor

from spear.inversion.directions.determined import has_kernel_of_one
from spear.inversion.factors.factorization import Factorization
from spear.reconstruction import Status

FOLLOWED = 0.02
"""Share of a sample's neurons that may seem inactive but are not, in addition to those that noise
hides: mini-batches may leave a sample out until the weights have changed."""

SWITCHED = 0.15
"""Share of a sample's neurons that local steps may switch on: W predicts the state before the first
step, and the sum over all steps is zero only for neurons that stay inactive (App. F)."""


APART = 1e-4
"""Least singular value of the inputs, each of length 1, relative to the largest, above which
zeros that rounding leaves open count. Inputs called exact that were none had 1e-5 at most."""

FLUCTUATIONS = 3.0
"""How many neurons noise may hide beyond their expected number, in its deviations."""


def verdict(problem: Factorization, directions: Tensor, signs: Tensor, matched: Tensor) -> Status:
    """Judge a full set of b directions by the ReLU pattern.

    Args:
        problem: the factorised observation.
        directions: Qbar, unit columns (b x b).
        signs: state of each neuron according to dL/dZ (m x b), see `sparsity_matching.activity`.
        matched: where Z agrees with it (m x b).

    Returns:
        `EXACT` if everything matches, except what rounding leaves open (lambda = 1), and the zeros
        determine each direction, which those of inputs in the same state do not; `APPROXIMATE`
        if each sample disagrees no more than noise and local steps explain, so that the directions
        are right although the update is not an exact gradient; otherwise `PARTIAL`.
    """
    if bool(matched.all()) and problem.bias_fits and not problem.noise.white:
        return Status.EXACT if _is_determined(problem, directions, signs) else Status.PARTIAL
    expected = problem.noise.hidden_states(directions)
    hidden = expected + FLUCTUATIONS * (expected / problem.m).sqrt()
    inactive, active = ((~matched & side).double().mean(dim=0) for side in (signs < 0, signs > 0))
    followed = bool((inactive <= hidden + FOLLOWED).all())
    switched = bool((active <= hidden + SWITCHED).all())
    return Status.APPROXIMATE if followed and switched else Status.PARTIAL


def _is_determined(problem: Factorization, directions: Tensor, signs: Tensor) -> bool:
    """Return whether the zeros of dL/dZ leave no other directions.

    Those that are sure decide. In small layers rounding leaves most of them open: these count, too,
    unless the inputs are nearly dependent, in which case rounding hides dL/dZ itself.
    """
    states = signs[problem.active]
    if bool(has_kernel_of_one(problem, directions, states < 0).all()):
        return True
    inputs = torch.linalg.solve(directions, problem.right)
    sizes = torch.linalg.svdvals(inputs / inputs.norm(dim=1, keepdim=True))
    apart = float(sizes[-1]) > APART * float(sizes[0])
    return apart and bool(has_kernel_of_one(problem, directions, states <= 0).all())
