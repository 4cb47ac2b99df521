"""Which inputs the zeros of X determine: a limit that no search by input sparsity passes."""

import torch
from torch import Tensor

from spear.inversion.refinement import UNDECIDED


def determined_by_zeros(inputs: Tensor, precision: float = 1e-6) -> Tensor:
    """Whether each input is determined by its zeros (Theorem 3.3, transposed), with one to spare.

    Input i needs b - 1 rows of X on which it is zero and the others are independent, and one more
    that confirms it: without any one of its zeros the rank must still be b - 1.

    Args:
        inputs: the true X^T, one input a row (b x n).
        precision: singular values below this share of the largest of X count as zero.

    Returns:
        b booleans.
    """
    inputs = inputs.to(torch.float64)
    least = precision * float(torch.linalg.matrix_norm(inputs, 2))
    return torch.tensor([_is_determined(inputs, i, least) for i in range(len(inputs))])


def _is_determined(inputs: Tensor, i: int, least: float) -> bool:
    others = torch.cat([inputs[:i], inputs[i + 1 :]])[:, inputs[i] == 0]
    if others.shape[1] <= len(others):
        return False
    _, values, rows = torch.linalg.svd(others, full_matrices=False)
    leverage = rows.square().sum(dim=0)
    return not bool((values <= least).any() or (leverage > 1 - UNDECIDED).any())
