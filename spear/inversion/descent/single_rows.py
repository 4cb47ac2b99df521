"""Rows of L that one unsolved sample alone makes: each of them gives that sample's row p of Q^-1.

With Q = [q_1 .. q_b] and rows p_i of Q^-1, row j of L is the sum of (dL/dZ)_ji p_i over the samples
that are active at neuron j, and (dL/db)_j that of (dL/dZ)_ji. If all of these but sample i are
solved, the quotient of what is left of both is p_i:

    p_i = (L_j - sum_l (L q_l)_j p_l) / ((dL/db)_j - sum_l (L q_l)_j), l over the solved samples.

Few neurons have a single sample if inputs are normalised, many if they are pixels in [0, 1], whose
common part decides most neurons alike (`docs/theory/row-cascade.md`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.descent.deflation import Known
from spear.inversion.factors.factorization import Factorization

LEFT = 1e-4
"""Share of a row beyond which what is left of it is more than rounding."""


@dataclass(frozen=True)
class Rest:
    """An observation's active rows without what the solved samples contribute.

    Attributes:
        rows: of L (m' x b).
        sums: of dL/db (m').
        made: (dL/dZ)_jl of the solved samples (m' x f), exactly zero where they are inactive.
    """

    rows: Tensor
    sums: Tensor
    made: Tensor

    @classmethod
    def of(cls, problem: Factorization, known: Known) -> "Rest":
        """Return what is left without known samples."""
        made = problem.left @ known.directions.T
        noise = problem.noise.not_zero * problem.noise.deviation(known.directions.T)
        scales = (known.directions * known.rows).sum(dim=1)  # q is not a unit vector but p . q = 1
        made = torch.where(made.abs() <= noise, 0.0, made / scales)
        sums = problem.left @ problem.bias_coordinates - made.sum(dim=1)
        return cls(problem.left - made @ known.rows, sums, made)

    def candidates(self, neurons: Tensor) -> Tensor:
        """Row p that each of the active neurons (k) would give if it had one sample left; k x b."""
        return self.rows[neurons] / self.sums[neurons, None]

    def open(self, problem: Factorization) -> Tensor:
        """Mark the active neurons of which more than rounding is left (m')."""
        lengths = torch.linalg.vector_norm(self.rows, dim=1)
        whole = torch.linalg.vector_norm(problem.left, dim=1)
        return (lengths > LEFT * whole) & (self.sums != 0)


def biorthogonal(known: Known) -> Known:
    """Make p_k . q_l = 0 for all known samples k and l but the same, for which it is 1.

    A row from a neuron with a second sample, hardly active there, is a mixture with that sample's
    row. If both are known, this takes the mixture apart.
    """
    products = known.rows @ known.directions.T
    lengths = products.diagonal()[:, None]
    return Known(known.directions, lengths * torch.linalg.solve(products, known.rows))


def mean_activity(problem: Factorization, known: Known) -> Tensor:
    """Mean pre-activation of the unsolved samples at each active neuron, in their deviations (m').

    Neurons at which it is lowest are on for the fewest samples. The mean is that of the shortest
    row p with p . q_l = 0 for the solved samples and s . p = 1, as in `coordinates`; the deviation
    is the length of the neuron's row of M orthogonal to the q_l.
    """
    predictor, bias = problem.projected_weight[problem.active], problem.bias[problem.active]
    basis = torch.linalg.qr(known.directions.T).Q
    predictor = predictor - (predictor @ basis) @ basis.T
    sums = problem.bias_coordinates
    sums = sums - basis @ (basis.T @ sums)
    mean = predictor @ sums / sums.square().sum() + bias
    return mean / torch.linalg.vector_norm(predictor, dim=1)
