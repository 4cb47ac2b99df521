"""Bounds on any attack: each factor of an update dL/dW = dL/dZ X^T, given the other one.

No attack knows either factor. Scores compare attacks with these bounds.
"""

import torch
from torch import Tensor

from spear.inversion.directions.determined import UNDECIDED
from spear.inversion.factors.large_matrix import left_multiply, right_multiply

SINGULAR = 1e-11
"""Bound below which eigenvalues of a Gram matrix of unit columns are rounding errors."""

EXPLAINED = 1e-5
"""Bound on the relative error of dL/dZ X^T by float32 rounding of an undefended gradient."""


def gradients_given_inputs(weight_update: Tensor, inputs: Tensor) -> Tensor:
    """Return the D of least |G - D X^T|: the factor of the update G in place of dL/dZ.

    For local training D is the sum of dL/dZ over the steps (App. F), for clipped gradients it is
    dL/dZ with its columns scaled (App. E.6). Noise moves D by about sigma / |x|.

    Args:
        weight_update: G (m x n).
        inputs: X^T (b x n). Equal inputs share their column of D equally.

    Returns:
        D (m x b), float64.
    """
    inputs = inputs.double()
    gram, mixed = inputs @ inputs.T, right_multiply(weight_update, inputs).T
    # Only LAPACK's gelsd does with equal inputs, and only a CPU has it.
    solved = torch.linalg.lstsq(gram.cpu(), mixed.cpu(), driver="gelsd").solution
    return solved.T.to(inputs.device)


def inputs_given_gradients(weight_update: Tensor, gradients: Tensor) -> Tensor:
    """Return the X^T of least |G - D X^T|: the best estimate that noise in G permits.

    Args:
        weight_update: G (m x n).
        gradients: D (m x b).

    Returns:
        X^T (b x n), float64.
    """
    return left_multiply(torch.linalg.pinv(gradients.double()), weight_update)


def explains(weight_update: Tensor, gradients: Tensor, inputs: Tensor) -> bool:
    """Return whether G = dL/dZ X^T (Theorem 3.1) up to rounding errors.

    Args:
        weight_update: G (m x n).
        gradients: dL/dZ (m x b).
        inputs: X^T (b x n).
    """
    update = weight_update.double()
    error = update - gradients.double() @ inputs.double()
    return bool(torch.linalg.matrix_norm(error) <= EXPLAINED * torch.linalg.matrix_norm(update))


def determined_directions(factor: Tensor, *, to_spare: bool = False) -> int:
    """Return the number of columns of a factor that an exhaustive search of submatrices finds.

    Theorem 3.3 needs b - 1 rows on which column i is zero and the other columns have full rank.
    Such rows exist exactly if all rows with a zero in column i have that rank together.

    Args:
        factor: dL/dZ (m x b), or X (n x b) for a search by input sparsity. A column of zeros has
            no part in the gradient: it is not counted, and the others are those of a smaller batch.
        to_spare: whether the rank must also be full without any one of the rows, so that each zero
            confirms the direction that the others determine.
    """
    columns = factor.double()
    norms = torch.linalg.vector_norm(columns, dim=0)
    columns = columns[:, norms > 0] / norms[norms > 0]
    zero = columns == 0
    return sum(_full_rank(columns[zero[:, i]], i, to_spare) for i in range(columns.shape[1]))


def _full_rank(rows: Tensor, column: int, to_spare: bool) -> bool:
    """Return whether the other columns of these rows have full rank."""
    others = torch.cat([rows[:, :column], rows[:, column + 1 :]], dim=1)
    if others.shape[0] < others.shape[1] + to_spare:
        return False
    if others.shape[1] == 0:
        return True
    values, vectors = torch.linalg.eigh(others.T @ others)
    if not bool(values[0] > SINGULAR):
        return False
    leverage = (others @ vectors).square() @ values.reciprocal()
    return not to_spare or bool(leverage.max() < 1 - UNDECIDED)
