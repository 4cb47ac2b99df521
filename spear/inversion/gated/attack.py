"""Attack on a gated feed-forward block (SwiGLU, GEGLU) without biases."""

import torch
from torch import Tensor

from spear.attack import Progress, ProgressCallback
from spear.budget import Budget
from spear.inversion.gated.problem import GatedProblem, gated_problem
from spear.inversion.gated.search import STARTS, samples_of_rows, search_round
from spear.inversion.pair.limits import Limits
from spear.inversion.pair.peeling import Samples
from spear.reconstruction import Reconstruction, Status
from spear.transformer import GatedLayers

FITS = 1e-3
"""Largest relative residual of both consistencies at which all positions count as found."""


class SpearGated:
    """Finds the inputs of a gated block, down(sigma(gate(x)) * up(x)), from its three gradients.

    The block's inputs are expected to come from an RMSNorm: all have about the length n^(1/2). That
    guides the search; the solutions themselves do not rest on it. Derivation: the modules
    `problem`, `forward` and `search` of this room.

    Nothing proves yet that the solution is the only one. So the result is `approximate` if all
    positions are found and fit both consistencies, and never `exact`.

    Args:
        time_limit: seconds per batch after which the search gives up; None for no limit.
        max_starts: starts after which it gives up.

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(self, time_limit: float | None = 60.0, max_starts: float = 1e5) -> None:
        self.limits = Limits(time_limit, max_starts)

    def __call__(
        self, layers: GatedLayers, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Reconstruct the inputs (b x n), one row a position.

        `details` has the starts and the largest relative residual. Rows beyond `n_directions` are
        zero.

        Raises:
            InvalidObservation: the gradients are zero or of full rank, or their ranks differ.
        """
        budget = Budget(self.limits.time_limit, progress)
        with torch.no_grad():
            problem = gated_problem(layers)
            generator = torch.Generator().manual_seed(seed)
            known, starts, status = _nothing(problem), 0, Status.PARTIAL
            while len(known) < problem.b and starts < self.limits.max_starts:
                length = problem.right.shape[1] ** 0.5
                known = search_round(problem, known, length, generator)
                starts += STARTS
                budget.report(Progress.directions(len(known), problem.b))
                if budget.over():
                    status = Status.TIMED_OUT
                    break
            residual = largest_residual(problem, known)
        if len(known) == problem.b and residual <= FITS:
            status = Status.APPROXIMATE
        return _result(problem, known, status, starts, residual, budget.spent)


def largest_residual(problem: GatedProblem, known: Samples) -> float:
    """Return the largest relative residual of forward and backward consistency; 0 of nothing."""
    if not len(known):
        return 0.0
    a, _, _ = problem.values(known.rows)
    rest = a - (a @ problem.activations.T) @ problem.activations
    forward = torch.linalg.vector_norm(rest, dim=1) / torch.linalg.vector_norm(a, dim=1)
    return float(torch.maximum(forward, samples_of_rows(problem, known.rows)[1]).max())


def _nothing(problem: GatedProblem) -> Samples:
    rows = problem.gate.new_zeros(0, problem.b)
    return Samples(rows, rows, problem.gate.new_zeros(0, len(problem.next_values)))


def _result(
    problem: GatedProblem,
    known: Samples,
    status: Status,
    starts: int,
    residual: float,
    seconds: float,
) -> Reconstruction:
    inputs: Tensor = known.rows @ problem.right
    details = {"starts": float(starts), "residual": residual}
    return Reconstruction.estimate(inputs, seconds, status, details)
