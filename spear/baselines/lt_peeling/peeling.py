"""Rounds of peeling: ratios, certificate, subtraction."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.baselines.lt_peeling.certificate import Accepted, certified
from spear.baselines.lt_peeling.downstream import Downstream

PROJECTIONS = 8
"""Random directions in which candidates are compared first; equal ones are equal in each."""


@dataclass(frozen=True)
class Tolerances:
    """Absolute tolerances of the attack, by default those of the authors' code, for float64.

    Attributes:
        live: |dL/dbias_j| above which a neuron gives a ratio.
        certificate: largest error of the certificate.
        same: distance below which two candidates are the same sample.
    """

    live: float = 1e-10
    certificate: float = 1e-8
    same: float = 1e-6


class Peeling:
    """Gradients of the first layer without the samples peeled off so far, and these samples.

    Args:
        downstream: the network.
        weight_gradient: dL/dW (m x n), float64.
        bias_gradient: dL/dbias (m), float64.
        batch_size: B.
        tolerances: of the attack.

    Attributes:
        inputs: samples found (k x n).
        labels: their classes (k).
        explained: largest |dL/dbias_j| that each explained (k).
        rounds: rounds that found any.
    """

    def __init__(
        self,
        downstream: Downstream,
        weight_gradient: Tensor,
        bias_gradient: Tensor,
        batch_size: int,
        tolerances: Tolerances,
    ) -> None:
        self.downstream = downstream
        self.weight_gradient = weight_gradient.clone()
        self.bias_gradient = bias_gradient.clone()
        self.batch_size = batch_size
        self.tolerances = tolerances
        self.inputs = weight_gradient[:0]
        self.labels = torch.zeros(0, dtype=torch.long, device=weight_gradient.device)
        self.explained = weight_gradient.new_zeros(0)
        self.rounds = 0

    def round(self) -> bool:
        """Peel off every sample that some neuron has to itself; False if there is none."""
        candidates, sources = self._candidates()
        if not len(candidates):
            return False
        found = certified(
            self.downstream,
            candidates,
            sources,
            self.bias_gradient,
            self.batch_size,
            self.tolerances.certificate,
            self.tolerances.live,
        )
        if not len(found.inputs):
            return False
        self._subtract(found)
        self.rounds += 1
        return True

    def best(self) -> tuple[Tensor, Tensor]:
        """Return B samples at most, with their labels: those that explain most, if there are more.

        The certificate's tolerance is absolute. Where dL/dbias is smaller than that, a mixture with
        a small gradient passes, too.
        """
        if len(self.inputs) <= self.batch_size:
            return self.inputs, self.labels
        chosen = self.explained.argsort(descending=True, stable=True)[: self.batch_size]
        return self.inputs[chosen], self.labels[chosen]

    def _candidates(self) -> tuple[Tensor, Tensor]:
        """Different ratios, none of a sample that is found already, and the neuron of each."""
        ratios = self.weight_gradient / self.bias_gradient[:, None]
        usable = (self.bias_gradient.abs() > self.tolerances.live) & ratios.isfinite().all(dim=1)
        neurons = usable.nonzero().flatten()
        rows = torch.cat([self.inputs, ratios[neurons]])
        kept = first_of_equals(rows, self.tolerances.same)
        fresh = torch.tensor([each for each in kept if each >= len(self.inputs)], dtype=torch.long)
        fresh = fresh.to(rows.device)
        return rows[fresh], neurons[fresh - len(self.inputs)]

    def _subtract(self, found: Accepted) -> None:
        z = self.downstream.pre_activations(found.inputs)
        gradients = self.downstream.pulled_back(z, found.labels) / self.batch_size
        self.weight_gradient -= gradients.T @ found.inputs
        self.bias_gradient -= gradients.sum(dim=0)
        self.inputs = torch.cat([self.inputs, found.inputs])
        self.labels = torch.cat([self.labels, found.labels])
        self.explained = torch.cat([self.explained, found.explained])


def first_of_equals(rows: Tensor, distance: float) -> list[int]:
    """Return the numbers of the rows (k x n) farther than `distance` from each returned before."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(rows.shape[1], PROJECTIONS, generator=generator, dtype=rows.dtype)
    shadows = rows @ (drawn / torch.linalg.vector_norm(drawn, dim=0)).to(rows.device)
    near = _near(shadows, distance)
    kept: list[int] = []
    taken = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    for number in range(len(rows)):
        others = (near[number] & taken).nonzero().flatten()
        apart = torch.linalg.vector_norm(rows[others] - rows[number], dim=1)
        if not bool((apart < distance).any()):
            kept.append(number)
            taken[number] = True
    return kept


def _near(shadows: Tensor, distance: float) -> Tensor:
    """Whether two rows may be that near: no projection of length 1 lies further apart than they."""
    near = torch.ones(len(shadows), len(shadows), dtype=torch.bool, device=shadows.device)
    for column in shadows.T:
        near &= (column[:, None] - column).abs() <= distance
    return near


def peeled(
    peeling: Peeling, most_rounds: int, over: Callable[[], bool], report: Callable[[int], None]
) -> bool:
    """Peel until nothing is left; return whether time ran out.

    Args:
        peeling: the state, which is changed.
        most_rounds: rounds at most.
        over: whether the time is over.
        report: told the number of samples after each round.
    """
    for _ in range(most_rounds):
        if over():
            return True
        if not peeling.round():
            return False
        report(len(peeling.inputs))
    return False
