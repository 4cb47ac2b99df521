"""Hessians of gradient matching at the truth, on which an attack's last steps descend.

Let phi and J be those of `spear.client.risk.jacobian`, and g = phi(x*) the gradient of the client's
inputs x*. Both distances of `spear.baselines.gradient_matching.objectives` are zero at x*, so that
their Hessians there contain no derivative of J:

    |phi(x) - g|^2:        2 J^T J
    1 - cos(phi(x), g):    J^T (I - g^ g^^T) J / |g|^2,  g^ = g / |g|

Both are exact at x*, and positive semidefinite.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from spear.client.risk.jacobian import GradientJacobian
from spear.errors import InvalidObservation

Array = NDArray[np.float64]


class Gram(LinearOperator):
    """J^T J (n x n), by products with J and J^T, or by its entries once these are formed.

    Args:
        jacobian: J (P x n).

    Attributes:
        formed: whether the entries are formed.
    """

    def __init__(self, jacobian: GradientJacobian) -> None:
        super().__init__(np.dtype(np.float64), (jacobian.n, jacobian.n))  # type: ignore[call-arg]
        self.jacobian = jacobian
        self._entries: Array | None = None

    @property
    def formed(self) -> bool:
        """Return whether the entries are formed."""
        return self._entries is not None

    def entries(self) -> Array:
        """Return all entries (n x n), exactly symmetric. The first call takes n products."""
        if self._entries is None:
            columns = self @ np.eye(self.jacobian.n)
            self._entries = (columns + columns.T) / 2.0
        return self._entries

    def _matvec(self, v: Array) -> Array:
        if self._entries is not None:
            return self._entries @ v.ravel()
        change = self.jacobian.times(torch.from_numpy(v.ravel().copy()))
        return self.jacobian.transposed_times(change).cpu().numpy()


class MatchingHessian(LinearOperator):
    """A Hessian of the form scale (J^T J - a a^T), as both are.

    Args:
        gram: J^T J (n x n), which both share.
        scale: above 0.
        without: a (n).

    Attributes:
        subtracted: scale |a|^2, the eigenvalue of the subtracted term.
    """

    def __init__(self, gram: Gram, scale: float, without: Array) -> None:
        super().__init__(gram.dtype, gram.shape)  # type: ignore[call-arg]
        self.gram = gram
        self._scale = scale
        self._without = without
        self.subtracted = scale * float(without @ without)

    def entries(self) -> Array:
        """Return all entries (n x n)."""
        return self._scale * (self.gram.entries() - np.outer(self._without, self._without))

    def _matvec(self, v: Array) -> Array:
        v = v.ravel()
        return self._scale * (self.gram @ v - self._without * (self._without @ v))


def squared_distance_hessian(gram: Gram) -> MatchingHessian:
    """Return 2 J^T J, the Hessian of `SquaredDistance`."""
    return MatchingHessian(gram, 2.0, np.zeros(gram.jacobian.n))


def cosine_distance_hessian(gram: Gram) -> MatchingHessian:
    """Return J^T (I - g^ g^^T) J / |g|^2, the Hessian of `CosineDistance`.

    Raises:
        InvalidObservation: the gradient is zero everywhere.
    """
    jacobian = gram.jacobian
    norm = jacobian.norm
    if norm == 0.0:
        raise InvalidObservation(
            "the gradient of this batch is zero everywhere, so that the cosine distance to it is "
            "not defined; take a network that learns something from the batch."
        )
    along = jacobian.transposed_times(tuple(part / norm for part in jacobian.gradient))
    return MatchingHessian(gram, norm**-2, along.cpu().numpy())
