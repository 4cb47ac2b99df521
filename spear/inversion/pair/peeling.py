"""Peeling: solved samples leave both gradients, and the rest is a smaller problem of the same kind.

A sample contributes dz x^T = L q p^T R to G1 and d2 a^T = U2 e a^T to G2. Without f of the samples
the gradients have rank b - f while the number of neurons is what it was: each solved sample makes
the others easier. Nothing of the size of a gradient is decomposed again. With rows P_f and
directions Q_f of the solved samples,

    G1 - sum_l dz_l x_l^T = L N R,   N = I - Q_f P_f,

and the b x b matrix N diag(S) = U' S' W'^T gives the factors of the rest: L' = L U' and
R' = U'^T N R. Likewise for G2 = U2 diag(S2) R2, of which diag(S2) - E_f (R2 A_f)^T remains.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spear.inversion.factors.factorization import Factorization
from spear.inversion.pair.problem import PairProblem


@dataclass(frozen=True)
class Samples:
    """Solved samples of a layer pair, a row each.

    Attributes:
        rows: p (k x b), x = R^T p.
        directions: q (k x b), dL/dz = L q, with p . q = 1.
        next_coordinates: e (k x r), the gradient of the next layer's outputs is U2 e.
    """

    rows: Tensor
    directions: Tensor
    next_coordinates: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Tensor | list[int] | slice) -> "Samples":
        return Samples(self.rows[index], self.directions[index], self.next_coordinates[index])

    def and_others(self, others: "Samples") -> "Samples":
        """Return these and others after them."""
        pairs = zip(vars(self).values(), vars(others).values(), strict=True)
        return Samples(*(torch.cat(pair) for pair in pairs))

    @classmethod
    def scaled(cls, rows: Tensor, directions: Tensor, nexts: Tensor) -> "Samples":
        """Return samples of rows, with directions and e of one length scaled to p . q = 1."""
        scales = (rows * directions).sum(dim=1, keepdim=True)
        return cls(rows, directions / scales, nexts / scales)

    @classmethod
    def nothing(cls, problem: PairProblem) -> "Samples":
        """Return no samples of a problem."""
        rows = problem.left.new_zeros(0, problem.b)
        return cls(rows, rows, problem.left.new_zeros(0, problem.r))


@dataclass(frozen=True)
class Rest:
    """Rest of a layer pair without its solved samples.

    Attributes:
        problem: of the others.
        row_map: b' x b, p = p' row_map in the coordinates of the whole problem.
        direction_map: b x b', q = direction_map q' likewise.
        next_map: r x r', e = next_map e' likewise.
    """

    problem: PairProblem
    row_map: Tensor
    direction_map: Tensor
    next_map: Tensor

    @classmethod
    def whole(cls, problem: PairProblem) -> "Rest":
        """Return the problem itself."""
        b, r = (torch.eye(size).to(problem.left) for size in (problem.b, problem.r))
        return cls(problem, b, b, r)

    def in_whole(self, samples: Samples) -> Samples:
        """Return samples of `problem` in the coordinates of the whole."""
        return Samples(
            samples.rows @ self.row_map,
            samples.directions @ self.direction_map.T,
            samples.next_coordinates @ self.next_map.T,
        )

    def without(self, samples: Samples) -> "Rest":
        """Take out samples, given in the coordinates of `problem`; fewer than there are."""
        first, basis, projected = _peeled_first(self.problem.first, samples)
        peeled, next_basis = _peeled_next(self.problem, samples, first.b)
        problem = replace(peeled, first=first, left=self.problem.left @ basis)
        return Rest(
            problem,
            projected @ self.row_map,
            self.direction_map @ basis,
            self.next_map @ next_basis,
        )


def _peeled_first(first: Factorization, samples: Samples) -> tuple[Factorization, Tensor, Tensor]:
    """The factors of the rest of G1, U' (b x b') and U'^T N (b' x b).

    The samples' own errors stay in the rest. They show in the singular values that vanish for exact
    samples, and the noise of the rest allows for them.
    """
    size = first.b - len(samples)
    taken = samples.directions.T @ samples.rows
    others = torch.eye(first.b).to(taken) - taken
    vectors, values, _ = torch.linalg.svd(others * first.singular_values)
    basis = vectors[:, :size]
    projected = basis.T @ others
    noise = first.noise
    rest = replace(
        first,
        left=first.left @ basis,
        right=first.right[:0],
        singular_values=values[:size],
        noise=replace(
            noise,
            rows=noise.rows + values[size],
            gains=(noise.gains * first.singular_values.square()).amax() / values[:size].square(),
            right=noise.right * float(torch.linalg.matrix_norm(projected)) / size**0.5,
        ),
        bias_coordinates=basis.T @ (first.bias_coordinates - samples.directions.sum(dim=0)),
        projected_weight=first.projected_weight @ projected.T,
    )
    return rest, basis, projected


def _peeled_next(problem: PairProblem, samples: Samples, size: int) -> tuple[PairProblem, Tensor]:
    """The problem with G2's factors of the rest, and U2' (r x r'); r' is b' at most."""
    nexts = samples.next_coordinates
    activations = problem.activation.value(problem.pre_activations(samples.rows))
    rank = min(problem.r, size)
    if problem.spans_activations:  # then a small matrix decides
        taken = nexts.T @ (activations @ problem.activations.T)
        vectors, values, mixing = torch.linalg.svd(torch.diag(problem.next_values) - taken)
        rows = mixing[:rank] @ problem.activations
    else:
        gradient = problem.next_values[:, None] * problem.activations - nexts.T @ activations
        vectors, values, rows = torch.linalg.svd(gradient, full_matrices=False)
    vectors = vectors[:, :rank]
    left_over = float(values[rank]) if rank < len(values) else 0.0
    bias = problem.next_bias
    rest = replace(
        problem,
        activations=rows[:rank],
        next_values=values[:rank],
        back=problem.back @ vectors,
        next_error=math.hypot(problem.next_error, left_over / problem.m**0.5),
        next_bias=None if bias is None else vectors.T @ (bias - nexts.sum(dim=0)),
    )
    return rest, vectors
