"""Bound on the error of each input, by its share of the gradient against rounding.

An input is x = R^T p with R = U^T G / sqrt(m'), so that an error N of G moves it by

    |dx| <= |N| |p| / sqrt(m').

Within the rank-b part N is not seen, but it is as large as what G has beside that part: |N| is
about S_(b+1). A sample of a small weight in the loss has a small column dL/dz = L q, hence a long
row p, and its input drowns in the rounding of the others.
"""

import math

import torch
from torch import Tensor

from spear.inversion.factors.factorization import Factorization
from spear.reconstruction import LARGEST_ERROR, LEAST_CERTAIN, UNCERTAIN, Status

MARGIN = 3.0
"""Factor on the expected error that bounds it: directions have errors, too. Measured errors are 0.3
to 2.5 times the expected ones, at weights of one sample from 1 to 1e-6."""

ALLOWED_ERROR = 1e-3
"""Largest relative error of an input that `exact` allows, in every proof: of an error as large the
update must show more than rounding."""


def input_errors(problem: Factorization, disaggregation: Tensor) -> Tensor:
    """Bound the relative error of each input by the rounding of the gradient (b).

    Args:
        problem: the factorised observation.
        disaggregation: Q of a solution (b x b).
    """
    rows = torch.linalg.inv(disaggregation)
    beside = float(problem.noise.rows.square().mean().sqrt())
    lengths = torch.linalg.vector_norm(rows @ problem.right, dim=1)
    errors = torch.linalg.vector_norm(rows, dim=1) * beside / math.sqrt(len(problem.left))
    return MARGIN * errors / lengths.clamp(min=torch.finfo(lengths.dtype).tiny)


def qualified(
    status: Status, details: dict[str, float], errors: Tensor
) -> tuple[Status, dict[str, float]]:
    """Call a proven batch exact only if every input is known to `ALLOWED_ERROR`.

    Args:
        status: of the proof.
        details: of the attack; if an input is not known that well, they say how many are not, which
            one is known least, and how large its error may be.
        errors: bound of each input's relative error (b).
    """
    uncertain = ~(errors <= ALLOWED_ERROR)  # also of one that is no number
    if status is not Status.EXACT or not bool(uncertain.any()):
        return status, details
    more = {
        UNCERTAIN: float(uncertain.sum()),
        LEAST_CERTAIN: float(errors.argmax()),
        LARGEST_ERROR: float(errors.max()),
    }
    return Status.APPROXIMATE, details | more
