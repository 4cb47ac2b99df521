"""The shared gradient of a weight, in as few factors as the batch has inputs (Theorem 3.2)."""

import torch
from torch import Tensor

from spear.baselines.gradient_matching.gradients import Dense, Gradient, Product

FIRST_WIDTH = 32
"""Columns of the first sketch; it doubles until it holds the gradient."""

TOLERANCE = 8.0
"""Length of the residual of the factors relative to the gradient's, in units of its rounding."""


def factored(gradient: Tensor) -> Gradient:
    """The gradient in factors of its numerical rank, or as it is if that is not cheaper.

    The weight gradient of a batch of b has rank b, except for the rounding of the client's float32.
    The factors are found by a random sketch (Halko, Martinsson and Tropp, SIAM Review 2011) that
    is the same at every call. Noise, for instance of a defense, makes the rank full; so do
    convolutions.

    Args:
        gradient: shaped as its parameter.
    """
    if gradient.ndim != 2 or not gradient.is_floating_point() or gradient.element_size() < 4:
        return Dense(gradient)
    m, n = gradient.shape
    eps = torch.finfo(torch.float32).eps  # of clients, whatever their gradient was converted to
    least = TOLERANCE * eps * float(torch.linalg.vector_norm(gradient))
    generator = torch.Generator().manual_seed(0)
    width = FIRST_WIDTH
    while 2 * width * (m + n) <= m * n:
        rows = torch.randn(width, n, generator=generator, dtype=gradient.dtype).to(gradient)
        for _ in range(2):  # once more, because few columns to spare make an uneven sketch
            basis = torch.linalg.qr(gradient @ rows.T).Q
            rows = basis.T @ gradient
        if float(torch.linalg.vector_norm(gradient - basis @ rows)) <= least:
            return _narrowed(basis, rows, least)
        width *= 2
    return Dense(gradient)


def _narrowed(basis: Tensor, rows: Tensor, least: float) -> Product:
    """basis @ rows without the singular directions that together are shorter than `least`."""
    left, values, right = torch.linalg.svd(rows, full_matrices=False)
    beyond = values.square().flip(0).cumsum(0).sqrt().flip(0)  # length of this one and the rest
    rank = max(int((beyond > least).sum()), 1)
    weighted = basis @ (left[:, :rank] * values[:rank])
    return Product(weighted.T.contiguous(), right[:rank].contiguous())
