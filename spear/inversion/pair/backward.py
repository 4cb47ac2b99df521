"""Backward consistency: a sample's column of dL/dZ follows from the next layer's by the chain rule.

D1 = sigma'(Z) * (W2^T D2), and the columns of D2 lie in the column space U2 of G2. With V = W2^T U2
(m x r), a direction q and its row p satisfy

    L q = sigma'(M p + c1) * (V e)

for some e: m equations in the 2 b + r - 1 unknowns (q, p, e), whose scale is free.
"""

import torch
from torch import Tensor

from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem

KERNEL_ITERATIONS = 3


def samples_of_rows(problem: PairProblem, rows: Tensor) -> tuple[Samples, Tensor]:
    """Solve backward consistency for q and e of rows p.

    Given p it is linear in (q, e): the kernel of [L, -sigma'(z) * V] on the neurons whose slope is
    certain.

    Args:
        problem: the layer pair.
        rows: p (k x b).

    Returns:
        The samples, and the residual of each relative to |L q| (k).
    """
    z = problem.pre_activations(rows)
    slopes, decided = problem.activation.slope(z), problem.decided(rows, z)
    directions, nexts, residuals = solved_for_slopes(problem, slopes, decided)
    return Samples.scaled(rows, directions, nexts), residuals


def solved_for_slopes(
    problem: PairProblem, slopes: Tensor, decided: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Solve L q = slope * (V e) for q and e in a common length, by the kernel of [L, -slope * V].

    Args:
        problem: the layer pair.
        slopes: sigma' of each neuron (k x m).
        decided: neurons whose equations count (k x m); all unless given.

    Returns:
        q (k x b), e (k x r), and the residual of each relative to |L q| (k).
    """
    return kernels_of(problem.left, problem.back, slopes, decided)


def kernels_of(
    left: Tensor, back: Tensor, slopes: Tensor, decided: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Solve L q = slope * (V e); see `solved_for_slopes`.

    Args:
        left: L (m x b).
        back: V (m x r).
        slopes, decided: see `solved_for_slopes`.

    Returns:
        q (k x b), e (k x r), and the residual of each relative to |L q| (k).
    """
    scale = torch.linalg.vector_norm(left) / torch.linalg.vector_norm(back)
    lefts = left.expand(len(slopes), -1, -1)
    systems = torch.cat([lefts, -slopes[:, :, None] * (scale * back)], dim=2)
    if decided is not None:
        systems = systems * decided[:, :, None]
    kernels = least_singular_vectors(systems)
    errors = torch.linalg.vector_norm(systems @ kernels[:, :, None], dim=(1, 2))
    b = left.shape[1]
    directions, nexts = kernels[:, :b], scale * kernels[:, b:]
    lengths = torch.linalg.vector_norm(directions @ left.T, dim=1)
    return directions, nexts, errors / lengths


def least_singular_vectors(matrices: Tensor) -> Tensor:
    """Right singular vectors of the least singular values (k x m x d, m >= d); k x d.

    By inverse iteration with the triangular factors.
    """
    triangles = torch.linalg.qr(matrices, mode="r").R
    diagonal = triangles.diagonal(dim1=1, dim2=2)
    least = torch.finfo(matrices.dtype).eps * diagonal.abs().amax(dim=1, keepdim=True)
    diagonal += torch.where(diagonal == 0, least, 0.0)
    vectors = torch.ones_like(diagonal)[:, :, None]
    for _ in range(KERNEL_ITERATIONS):
        vectors = torch.linalg.solve_triangular(triangles.mT, vectors, upper=False)
        vectors = torch.linalg.solve_triangular(triangles, vectors, upper=True)
        vectors = vectors / torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return vectors[:, :, 0]
