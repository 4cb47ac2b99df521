"""Proof of a solution: both consistencies on all neurons, to the rounding of the gradients.

Of each sample, in the whole problem:

* forward: the part of a = sigma(M p + c1) outside the row space of G2, if the space has rank b;
* backward: L q - sigma'(M p + c1) * (V e), with e the sample's part of G2;
* sums: dL/dc1 is the sum of all dL/dz by construction (s . p = 1), and dL/dc2 has to be that of
  all d2. They fix the scales, which neither equation does for a homogeneous activation.

Each is compared with what the errors of the two gradients explain. In noise the misfit of
the most likely batch is, too (`likelihood_fit`). A solution is exact only if it is the only one:
another scale of it, or an error in one of its inputs, must leave too large a residual
(`isolation`, `likely_errors`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.factors.input_errors import ALLOWED_ERROR
from spear.inversion.pair.isolation import isolated
from spear.inversion.pair.likely_errors import likely_errors
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.tolerance import backward_errors, forward_errors
from spear.reconstruction import Status

ROUNDING = 25 * torch.finfo(torch.float32).eps
"""Relative residual that float32 explains in any case: clients compute in it."""

DEVIATIONS = 10.0
"""Relative residual that errors explain, in deviations expected of independent ones."""

NOISE_DEVIATIONS = 3.0
"""The same of white noise, whose effect on both gradients is known: true samples have up to 2."""

MISFIT = 1.3
"""Largest misfit of the most likely batch that noise explains; true ones have 0.9 to 1.15."""

SUMS = 1e-5
"""Relative error of a sum over the batch that rounding explains."""

VISIBLE = 1e-3
"""Largest relative residual that is called rounding; false rows have 1e-2 and more."""


@dataclass(frozen=True)
class Evidence:
    """Residuals of a solution, and the errors to expect of them.

    Attributes:
        forward: |rest of a| / |a| of each sample (b); zeros if the space has another rank than b.
        forward_error: what the errors of G2 make of it (b).
        backward: |L q - sigma'(z) * (V e)| / |L q| of each sample (b).
        backward_error: what the errors of G1 make of it (b).
        next_sum: relative error of dL/dc2; 0 if it is not shared.
        disaggregation: Q of the solution (b x b).
        deviations: residual that errors explain, relative to the one to expect.
        misfit: of the most likely batch to both gradients (`likelihood_fit`); 0 without noise.
    """

    forward: Tensor
    forward_error: Tensor
    backward: Tensor
    backward_error: Tensor
    next_sum: float
    disaggregation: Tensor
    deviations: float = DEVIATIONS
    misfit: float = 0.0

    @property
    def explained(self) -> bool:
        """Tell whether the errors of the gradients explain every residual."""
        return self.misfit <= MISFIT and bool(
            (self.forward <= _tolerance(self.forward_error, self.deviations)).all()
            and (self.backward <= _tolerance(self.backward_error, self.deviations)).all()
        )

    @property
    def at_rounding(self) -> bool:
        """Tell whether rounding explains every residual and the sum."""
        return self.explained and self.largest <= VISIBLE and self.next_sum <= SUMS

    @property
    def largest(self) -> float:
        """The largest relative residual of a sample."""
        return float(torch.maximum(self.forward, self.backward).max())


def evidence(problem: PairProblem, disaggregation: Tensor, misfit: float = 0.0) -> Evidence:
    """Test a solution on all neurons.

    Args:
        problem: the whole layer pair.
        disaggregation: Q (b x b).
        misfit: of the most likely batch; 0 without noise.
    """
    rows = torch.linalg.inv(disaggregation)
    z = problem.pre_activations(rows)
    a = problem.activation.value(z)
    second = problem.next_values[:, None] * problem.activations
    nexts = torch.linalg.lstsq(a.T, second.T).solution
    columns = (problem.left @ disaggregation).T
    computed = problem.activation.slope(z) * (nexts @ problem.back.T)
    if problem.noisy:
        forward_error = forward_errors(problem, rows)
        backward_error = backward_errors(problem, Samples(rows, disaggregation.T, nexts))
    else:
        forward_error = _forward_error(problem, a)
        unit_columns = disaggregation / torch.linalg.vector_norm(disaggregation, dim=0)
        backward_error = problem.first.noise.deviation(unit_columns).square().mean(dim=0).sqrt()
    return Evidence(
        forward=_forward(problem, a),
        forward_error=forward_error,
        backward=_relative((columns - computed) * problem.decided(rows, z), columns),
        backward_error=backward_error,
        next_sum=_next_sum(problem, nexts),
        disaggregation=disaggregation,
        deviations=NOISE_DEVIATIONS if problem.noisy else DEVIATIONS,
        misfit=misfit,
    )


def verdict(problem: PairProblem, found: Evidence) -> Status:
    """Judge a solution by its evidence.

    Returns:
        `EXACT` if rounding explains every residual and the sum, and those of no other solution;
        `APPROXIMATE` if the noise of the update explains the residuals; otherwise `PARTIAL`.
    """
    status = verdict_but_for_scale(problem, found)
    if status is Status.EXACT and not scale_shows(problem, found):
        return Status.APPROXIMATE
    return status


def verdict_but_for_scale(problem: PairProblem, found: Evidence) -> Status:
    """Judge a solution by its evidence as `verdict` does, if its scale is known otherwise.

    Args:
        problem: the layer pair.
        found: evidence of the solution.
    """
    if not found.explained:
        return Status.PARTIAL
    exact = not problem.noisy and problem.first.bias_fits and found.at_rounding
    return Status.EXACT if exact and _isolated(problem, found) else Status.APPROXIMATE


def scale_shows(problem: PairProblem, found: Evidence) -> bool:
    """Tell whether another scale of dL/dc1, and hence of all inputs, contradicts the gradients.

    Behind a homogeneous activation without biases only dL/dc2 does. The same holds nearly if the
    biases are small beside the pre-activations, or of GELU and others if these are large. Behind an
    odd one, such as tanh, all signs may be wrong.
    """
    others = (
        found.disaggregation * scale for scale in (1 - ALLOWED_ERROR, 1 + ALLOWED_ERROR, -1.0)
    )
    return not any(_fits(problem, other) for other in others)


def _fits(problem: PairProblem, disaggregation: Tensor) -> bool:
    """Tell whether a solution is at rounding; forward consistency, which costs least, first."""
    a = problem.activation.value(problem.pre_activations(torch.linalg.inv(disaggregation)))
    tolerated = _tolerance(_forward_error(problem, a))
    forward = bool((_forward(problem, a) <= tolerated).all())
    return forward and evidence(problem, disaggregation).at_rounding


def _isolated(problem: PairProblem, found: Evidence) -> bool:
    """Tell whether no input may be off by more than `ALLOWED_ERROR`."""
    rows = torch.linalg.inv(found.disaggregation)
    forward, backward = _tolerance(found.forward_error), _tolerance(found.backward_error)
    open_ = (~isolated(problem, rows, forward, backward)).nonzero()[:, 0]
    if len(open_) == 0:
        return True
    errors = likely_errors(problem, rows, open_, found.forward_error, found.backward_error)
    return bool((errors <= ALLOWED_ERROR).all())


def _forward(problem: PairProblem, a: Tensor) -> Tensor:
    """Part of the activations outside the row space of G2; 0 if that has another rank than b."""
    if not problem.spans_activations:
        return torch.zeros_like(a[:, 0])
    return _relative(a - (a @ problem.activations.T) @ problem.activations, a)


def _forward_error(problem: PairProblem, a: Tensor) -> Tensor:
    """What the rounding of G2 makes of it."""
    if not problem.spans_activations:
        return torch.zeros_like(a[:, 0])
    gains = problem.next_error * problem.m**0.5 / problem.next_values
    return _relative((a @ problem.activations.T) * gains, a)


def _next_sum(problem: PairProblem, nexts: Tensor) -> float:
    if problem.next_bias is None:
        return 0.0
    return float(_relative(nexts.sum(dim=0) - problem.next_bias, nexts.flatten()))


def _tolerance(errors: Tensor, deviations: float = DEVIATIONS) -> Tensor:
    """Relative residuals that errors explain."""
    return ROUNDING + deviations * errors


def _relative(rest: Tensor, whole: Tensor) -> Tensor:
    lengths = torch.linalg.vector_norm(whole, dim=-1)
    return torch.linalg.vector_norm(rest, dim=-1) / lengths.clamp(
        min=torch.finfo(lengths.dtype).tiny
    )
