"""Residuals that the noise of both gradients explains, at the true samples.

Rounding is below the constants of the searches, so that all of these are zero without noise. Let
sigma1 and sigma2 be the deviations of an entry of G1 and of G2, S and S2 their singular values.

* z: R = U^T G1 / sqrt(m) carries the noise U^T N1 / sqrt(m), of deviation sigma1 / sqrt(m) an
  entry. So x = R^T p is wrong by sigma1 |p| / sqrt(m) an entry, whatever p, and z_j = w_j . x + c_j
  by |w_j| times that.
* Forward: a is the combination c = R2 a of rows, each with noise of sigma2 / S2_t an entry. The sum
  has the length sigma2 sqrt(m) |c / S2|. An error dz adds sigma'(z) dz.
* Backward: L q is wrong by `Noise.deviation`. A column of U2 is wrong by sigma2 / S2_t an entry,
  and V_j by |W2_j| times that, W2_j being the weights behind neuron j. An error dz adds
  sigma''(z) (V e) dz.
"""

import torch
from torch import Tensor

from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem

POSSIBLE = 3.0
"""Residual, relative to the expected one, up to which a sample of a search may be true. Errors of
samples that were peeled off are hardly expected."""

LIKELY = 1.6
"""The same on all neurons of the whole problem: true samples have 0.8 to 1.5, false ones seldom
less than this."""

CONSISTENT = 3.0
"""Largest |p_i . q_j| of two samples, relative to the residuals of both consistencies together:
true ones have up to 1.5."""

MOST_CONSISTENT = 0.5
"""The same at any noise: two samples near one true sample have 1."""


def forward_errors(problem: PairProblem, rows: Tensor) -> Tensor:
    """Relative residual of forward consistency to expect of true rows p (k x b); k.

    Zero without noise.
    """
    if not problem.noisy:
        return torch.zeros_like(rows[:, 0])
    z = problem.pre_activations(rows)
    a = problem.activation.value(z)
    inside = a @ problem.activations.T
    gains = problem.next_error * problem.m**0.5 / problem.next_values
    moved = problem.activation.slope(z) * problem.deviation(rows)
    squares = (inside * gains).square().sum(dim=1) + moved.square().sum(dim=1)
    return (squares / _squares(a)).sqrt()


def backward_errors(problem: PairProblem, samples: Samples) -> Tensor:
    """Relative residual of backward consistency to expect of true samples; k.

    On the neurons whose slope is certain. Zero without noise.
    """
    if not problem.noisy:
        return torch.zeros_like(samples.rows[:, 0])
    z = problem.pre_activations(samples.rows)
    curved = problem.activation.curvature(z) * (samples.next_coordinates @ problem.back.T)
    weak = problem.next_error * torch.linalg.vector_norm(
        samples.next_coordinates / problem.next_values, dim=1, keepdim=True
    )
    behind = problem.activation.slope(z) * problem.next_norms * weak
    moved = curved * problem.deviation(samples.rows)
    squares = behind.square() + moved.square()
    squares[:, problem.first.active] += _left_deviation(problem, samples.directions).square()
    squares *= problem.decided(samples.rows, z)
    return (squares.sum(dim=1) / _squares(samples.directions @ problem.left.T)).sqrt()


def consistency(problem: PairProblem, samples: Samples, least: float) -> Tensor:
    """Largest |p . q| with another sample to expect of each true one, `least` or more (k)."""
    errors = torch.hypot(backward_errors(problem, samples), forward_errors(problem, samples.rows))
    return (CONSISTENT * errors).clamp(least, MOST_CONSISTENT)


def squared(errors: Tensor, factor: float, least: float) -> Tensor:
    """Squares of residuals a factor above the expected ones, `least` or more."""
    return (factor * errors).square().clamp(min=least)


def _left_deviation(problem: PairProblem, directions: Tensor) -> Tensor:
    """Deviation of the active entries of L q, for q of any length (k x b); k x m'."""
    lengths = torch.linalg.vector_norm(directions, dim=1, keepdim=True)
    return problem.first.noise.deviation((directions / lengths).T).T * lengths


def _squares(values: Tensor) -> Tensor:
    return values.square().sum(dim=1).clamp(min=torch.finfo(values.dtype).tiny)
