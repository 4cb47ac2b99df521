"""Span test: which vectors are in the row space of a gradient.

The gradient dL/dW = (dL/dZ) X^T of a layer has the layer's inputs in its row space, if there are
fewer of them than the layer is wide. So has an input in a known set, such as the embeddings of a
vocabulary, a distance of zero from that space, and others do not. This is the filter of DAGER
(Petrov, Dimitrov, Baader, Mueller, Vechev: DAGER: Exact Gradient Inversion for Large Language
Models, NeurIPS 2024, Section 4.1).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.errors import ConfigError, InvalidObservation
from spear.inversion.factors.rank import estimate_rank, rounding_floor


def threshold_of(dtype: torch.dtype) -> float:
    """Return the distance up to which a vector is in the span: the root of the precision.

    It is half-way, in digits, from rounding to 1: 3e-4 for float32, 1.5e-8 for float64.
    """
    return float(torch.finfo(dtype).eps ** 0.5)


@dataclass(frozen=True)
class Span:
    """Row space of a gradient.

    Attributes:
        basis: orthonormal rows that span it (r x n), float64.
        threshold: relative distance up to which a vector is in it.
    """

    basis: Tensor
    threshold: float

    @classmethod
    def of(
        cls,
        gradient: Tensor,
        threshold: float | None = None,
        needs_gap: bool = True,
        rank: int | None = None,
    ) -> "Span":
        """Return the row space of a gradient.

        Args:
            gradient: of weights (m x n).
            threshold: `threshold_of` the gradient's precision unless given.
            needs_gap: whether a gradient without a gap in its singular values is refused; otherwise
                its rank is what `torch.linalg.matrix_rank` says, and weak vectors are lost.
            rank: of the gradient, if it is known.

        Raises:
            InvalidObservation: the gradient is zero, or its rows span everything.
            ConfigError: the threshold is not between 0 and 1.
        """
        if threshold is not None and not 0 < threshold < 1:
            raise ConfigError(f"threshold is {threshold!r}; expected a number between 0 and 1.")
        _, values, rows = torch.linalg.svd(gradient.double(), full_matrices=False)
        rank = rank or estimate_rank(values, rounding_floor(gradient))
        if rank is None and not needs_gap:
            rank = int(torch.linalg.matrix_rank(gradient))
        if rank == 0:
            raise InvalidObservation(
                "the gradient is zero everywhere; expected one that inputs have left: give the "
                "gradient of a layer that is trained."
            )
        if rank is None or rank == gradient.shape[1]:
            raise InvalidObservation(
                f"the rows of the gradient span all {gradient.shape[1]} dimensions, so that every "
                "vector is in their span; expected fewer different inputs than that, and no noise: "
                "attack a smaller batch."
            )
        return cls(rows[:rank], threshold or threshold_of(gradient.dtype))

    @property
    def rank(self) -> int:
        """Number of its dimensions."""
        return len(self.basis)

    def distances(self, vectors: Tensor) -> Tensor:
        """Return the distance of each vector (... x n) from the span, relative to its length."""
        vectors = vectors.to(self.basis)
        outside = vectors - (vectors @ self.basis.T) @ self.basis
        lengths = torch.linalg.vector_norm(vectors, dim=-1)
        return torch.linalg.vector_norm(outside, dim=-1) / lengths.clamp(min=1e-300)

    def holds(self, vectors: Tensor) -> Tensor:
        """Return which vectors (... x n) are in the span."""
        return self.distances(vectors) <= self.threshold
