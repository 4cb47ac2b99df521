"""Descent to sparse, nonnegative inputs: on the sphere, in every third round by linear programs.

*On the sphere*, by iteratively reweighted least squares as for dL/dZ (`spear.inversion.descent`),
but one-sided: an output of a ReLU is never negative, so that a negative entry of R^T p
should become a zero and a large positive one need not. Its weight is multiplied by
exp(-beta clip(x_j / std x, -2, 2)), with the sign of p that makes s . p > 0. If about half of the
inputs are zeros, nearly every start arrives at a true direction.

*By linear programs*, if most inputs are on for all samples or off for all, as behind several
layers at initialisation. All p_i lie in the polytope {p : R^T p >= 0, s . p = 1} and are vertices
of it. Others have b - 1 active half-spaces, a true one has as many as it has zeros, so that many
more linear objectives end there. Each start is a program with a random objective, followed by some
with the weights 1 / (x_j + e) (Candes, Wakin and Boyd, "Enhancing sparsity by reweighted l1
minimization", 2008). To find what is missing, the first objective is zero on some of the known p_i.
"""

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor

from spear.errors import ConfigError
from spear.inversion.descent.activation_weights import CLIP
from spear.inversion.descent.sphere import ITERATIONS, RIDGE, SHRINKING, sparsity_weights
from spear.inversion.descent.starts import EXPONENTS, SHARPNESS, Starts, random_starts, start_count
from spear.inversion.directions.exact import SEARCH_DTYPE
from spear.inversion.factors.gram import Grams, inverse_iteration, unit
from spear.inversion.inputs.problem import InputProblem
from spear.inversion.inputs.search import Drawn

PROGRAM_ROUND = 3
"""Every third round solves linear programs, which take some ten times as long."""

REWEIGHTED = 4
"""Linear programs in a row from one start; the last usually changes nothing."""
SMOOTHING = 0.1
"""e added to an input, in units of its mean over the batch."""
SLACK = 1e-10
"""Distance below zero that a program allows an input, in units of its mean."""


class Descent:
    """Searches by descent on the sphere and by linear programs, as in the module's docstring.

    Args:
        programs: starts of linear programs in every third round.

    Raises:
        ConfigError: a negative number of programs.
    """

    def __init__(self, programs: int = 16) -> None:
        if programs < 0:
            raise ConfigError(f"programs is {programs}; expected 0 or more.")
        self.programs = programs

    def __call__(
        self, problem: InputProblem, known: Tensor, round_: int, generator: torch.Generator
    ) -> Drawn:
        """Implement `InputSearch`."""
        if round_ % PROGRAM_ROUND == PROGRAM_ROUND - 1 and self.programs > 0:
            return Drawn(_by_programs(problem, known, self.programs, generator), self.programs)
        starts = random_starts(
            2 * start_count(problem.b - len(known)),
            problem.b,
            EXPONENTS,
            SHARPNESS,
            generator,
            SEARCH_DTYPE,
        )
        return Drawn(on_the_sphere(problem, starts), len(starts))


def on_the_sphere(problem: InputProblem, starts: Starts) -> Tensor:
    """Return the end of one-sided IRLS from each start; unit vectors (K x b), float64."""
    left, sums = problem.left.to(SEARCH_DTYPE), problem.sums.to(SEARCH_DTYPE)
    grams, directions, smoothing = Grams(left), unit(starts.directions), 1.0
    for _ in range(ITERATIONS):
        directions = torch.where((directions @ sums < 0)[:, None], -directions, directions)
        inputs = directions @ left.T
        weights = sparsity_weights(inputs, starts.exponents, smoothing)
        size = inputs.std(dim=1, keepdim=True)
        weights -= starts.sharpness * (inputs / size).clamp(-CLIP, CLIP)
        directions = inverse_iteration(grams(weights.exp_()), directions, RIDGE)
        smoothing *= SHRINKING
    return directions.to(problem.left.dtype)


def _by_programs(
    problem: InputProblem, known: Tensor, count: int, generator: torch.Generator
) -> Tensor:
    """The vertices that reweighted linear programs come through; unit vectors (k x b)."""
    mean = (problem.left @ problem.sums / problem.sums.square().sum()).abs()
    rows = problem.left / mean.clamp(min=SLACK * float(mean.max()))[:, None]
    found = []
    for objective in _objectives(rows, known, count, generator):
        found += _reweighted(
            rows.cpu().numpy(), problem.sums.cpu().numpy(), objective.cpu().numpy()
        )
    return unit(torch.from_numpy(np.stack(found)).to(rows)) if found else known[:0]


def _objectives(rows: Tensor, known: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Random objectives g (count x b) in the scatter of the rows, zero on some of the known p.

    Each objective uses a random share of the known p: if nearly all are known, few objectives are
    zero on all of them.
    """
    noise = torch.randn(
        count, rows.shape[1], generator=generator, dtype=rows.dtype, device=rows.device
    )
    factor = torch.linalg.qr(rows, mode="r").R  # rows^T rows = factor^T factor
    for each in noise:
        draws = torch.rand(len(known) + 1, generator=generator, device=rows.device)
        avoided = known[draws[1:] < draws[0]]
        spanned = torch.linalg.qr(factor @ avoided.T).Q
        each -= spanned @ (spanned.T @ each)
    return noise @ factor


def _reweighted(rows: np.ndarray, sums: np.ndarray, objective: np.ndarray) -> list[np.ndarray]:
    """The vertices of {p : rows p >= 0, s . p = 1} that reweighting comes through."""
    vertices: list[np.ndarray] = []
    for _ in range(REWEIGHTED):
        if not np.isfinite(objective).all():
            break  # the rows of a damaged update may overflow
        solved = linprog(
            objective,
            A_ub=-rows,
            b_ub=np.full(len(rows), SLACK),
            A_eq=sums[None],
            b_eq=[1.0],
            bounds=(None, None),
        )
        if solved.x is None:
            break
        vertices.append(solved.x)
        objective = (1 / (np.clip(rows @ solved.x, 0.0, None) + SMOOTHING)) @ rows
    return vertices
