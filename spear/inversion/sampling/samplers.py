"""Sampling submatrices L_A of L and the directions that span their kernels (Theorem 3.3).

The columns of dL/dZ that vanish on the rows A show up as ker(L_A). All samplers draw the same
(b-1) x b submatrices with the same probabilities. They differ in cost, and in how far one submatrix
depends on another, which decides how many it takes to meet all directions
(`spear.inversion.sampling.lemmas.repetition`):

* `IndependentSvdSampler`, the paper's (Lemma 5.2): independent submatrices, one singular value
  decomposition each.
* `SvdSampler`: the same, but submatrices of one permutation of the rows have no row in common.
* `InformationSetSampler`: for b rows I, column k of L_I^-1 is orthogonal to every row of L_I but
  the k-th; it spans the kernel of the (b-1)-row submatrix without row k. One inversion yields b
  submatrices, whose hits come in clusters. (The name is from information-set decoding, the same
  idea in coding theory.)
"""

from typing import Protocol

import torch
from torch import Tensor


class Sampler(Protocol):
    """Draws directions. A new one implements these two and gets a file in `conf/attack/sampler`."""

    def per_draw(self, b: int) -> int:
        """Submatrices, and so directions, that one draw yields."""
        ...

    def draw(self, left: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """Kernel directions of random submatrices.

        Args:
            left: rows to sample from (m' x b, m' >= b).
            count: number of draws.
            generator: on the device of `left`.

        Returns:
            (count * per_draw) x b unit vectors. Submatrices of deficient rank give NaN or an
            arbitrary vector of their kernel; no filter passes either.
        """
        ...


class SvdSampler:
    """The last right singular vector of each (b-1) x b submatrix (Algorithm 1, line 5)."""

    def per_draw(self, b: int) -> int:
        """Number of submatrices per decomposition: 1."""
        return 1

    def draw(self, left: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """Implement `Sampler.draw`."""
        b = left.shape[1]
        rows = self._subsets(left.shape[0], b - 1, count, generator)
        return torch.linalg.svd(left[rows], full_matrices=True).Vh[:, -1]

    def _subsets(self, m: int, size: int, count: int, generator: torch.Generator) -> Tensor:
        return random_subsets(m, size, count, generator)


class IndependentSvdSampler(SvdSampler):
    """The same of independent submatrices, as Algorithm 1 and Lemma 5.2 have them."""

    def _subsets(self, m: int, size: int, count: int, generator: torch.Generator) -> Tensor:
        return independent_subsets(m, size, count, generator)


class InformationSetSampler:
    """All b kernels of the (b-1)-row submatrices of a b x b submatrix from its inverse."""

    def per_draw(self, b: int) -> int:
        """Number of submatrices per inversion: b."""
        return b

    def draw(self, left: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """Implement `Sampler.draw`."""
        b = left.shape[1]
        rows = random_subsets(left.shape[0], b, count, generator)
        kernels = _inverses(left[rows])
        kernels /= torch.linalg.vector_norm(kernels, dim=1, keepdim=True)
        return kernels.mT.reshape(-1, b)


def _inverses(matrices: Tensor) -> Tensor:
    """Inverses; a singular matrix is replaced by a close regular one.

    If all b rows are zeros of one direction, each submatrix has that direction as its kernel. The
    matrix is singular, and the columns of its neighbours' inverses are parallel to that kernel.
    """
    inverses, info = torch.linalg.inv_ex(matrices)
    singular = info.nonzero().flatten()
    if len(singular) > 0:
        close = matrices[singular]
        size = torch.finfo(close.dtype).eps * close.abs().amax(dim=(1, 2))
        close.diagonal(dim1=1, dim2=2).add_(size[:, None])
        inverses[singular] = torch.linalg.inv_ex(close).inverse
    return inverses


def random_subsets(m: int, size: int, count: int, generator: torch.Generator) -> Tensor:
    """`count` uniformly random subsets of `size` out of m row indices (count x size).

    A random permutation is cut into floor(m / size) subsets: each is uniformly distributed, at a
    fraction of the cost of as many permutations. Subsets of one permutation are disjoint.
    """
    size_ = max(size, 1)
    from_one = m // size_
    permutations = -(-count // from_one)
    keys = torch.rand(permutations, m, generator=generator, device=generator.device)
    shuffled = keys.argsort(dim=1)[:, : from_one * size_]
    return shuffled.reshape(-1, size_)[:count, :size]


def independent_subsets(m: int, size: int, count: int, generator: torch.Generator) -> Tensor:
    """`count` independent, uniformly random subsets of `size` out of m row indices (count x size).

    Each takes the smallest of m random keys of its own.
    """
    keys = torch.rand(count, m, generator=generator, device=generator.device)
    return keys.topk(size, dim=1, largest=False, sorted=False).indices
