"""Samples with a kink, where two samples or more have none.

Behind a hardtanh all z of an image of little contrast may lie in the inner piece. The pair tells
the span of the directions of all such samples, not the directions themselves ("Limits" in
docs/theory/layer-pairs.md). But rows of the other samples are orthogonal to it, so these are
searched beside it, and peeled off.
"""

from dataclasses import replace

import torch
from torch import Tensor

from spear.inversion.directions.basis_of_space import orthogonal_complement
from spear.inversion.directions.distinct import NEARLY_SAME, is_distinct
from spear.inversion.factors.gram import unit
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.beside import linear_directions
from spear.inversion.pair.forward_search import forward_round, solved_rows
from spear.inversion.pair.peeling import Rest, Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.regression_solver import RegressionSearch
from spear.inversion.pair.rows import RowSpace
from spear.inversion.pair.solver import Peeling

SPARE = 2
"""Kinks of a sample, beyond the number of those with fewer, from which on its direction has no part
of theirs."""

OWN = 1e-2
"""Least part of a unit direction outside the span of those known that makes it a new one."""

ZERO = 1e-4
"""Largest entry of L q of a neuron beyond a kink, relative to the root mean square entry."""


def kinkless(problem: PairProblem) -> Tensor:
    """Return directions that span those of the samples without a kink (k x b).

    Each has a part along s, as the directions of samples have.
    """
    directions = torch.linalg.qr(linear_directions(problem)[0].T).Q.T
    if len(directions) < 2:
        return directions
    sums = problem.first.bias_coordinates
    centre = unit((directions @ sums @ directions)[None])[0]
    others = orthogonal_complement((directions @ centre)[:, None]).T @ directions
    return torch.cat([(centre - others.sum(dim=0))[None], centre + others])


def beside(space: RowSpace, directions: Tensor) -> RowSpace:
    """Return the rows of a space that are orthogonal to directions (k x b)."""
    products = directions @ space.basis
    offset = -torch.linalg.pinv(products) @ (directions @ space.point)
    basis = space.basis @ orthogonal_complement(products.T)
    return replace(space, point=space.point + space.basis @ offset, basis=basis)


class BesideEngine:
    """Descends on forward consistency to rows that are orthogonal to the kinkless directions."""

    def search(
        self, problem: PairProblem, generator: torch.Generator, slack: float = 1.0
    ) -> tuple[Samples, int]:
        """Implement `Engine.search`."""
        return forward_round(problem, generator, _space(problem), slack)

    def renewed(self, problem: PairProblem, samples: Samples) -> Samples:
        """Implement `Engine.renewed`."""
        rows, _ = solved_rows(problem, samples.rows, space=_space(problem))
        return samples_of_rows(problem, rows)[0]

    def sharpened(self, problem: PairProblem, samples: Samples) -> Samples:
        """Implement `Engine.sharpened`: their pieces leave nothing in doubt."""
        return self.renewed(problem, samples)


def _space(problem: PairProblem) -> RowSpace:
    return beside(RowSpace.of(problem), kinkless(problem))


class BesidePeeling(Peeling):
    """Peels the samples with a kink, before a layer whose gradient spans the activations.

    Args:
        problem: the whole of it.
        count: number of samples without a kink.
        seed: of the starts.
    """

    def __init__(self, problem: PairProblem, count: int, seed: int) -> None:
        self._count = count
        super().__init__(problem, BesideEngine(), seed)

    @property
    def missing(self) -> int:
        """Samples with a kink that are not found yet."""
        return super().missing - self._count

    @property
    def kinked(self) -> Samples:
        """The samples found."""
        return self.known


class BesideRegressions(RegressionSearch):
    """Collects the directions of samples with a kink, before a layer of few outputs."""

    def __init__(self, problem: PairProblem, count: int, seed: int) -> None:
        super().__init__(problem, seed)
        self._count = count

    def _add_linear(self) -> None:
        directions = kinkless(self.problem)
        self._take(directions, directions.new_zeros(len(directions), self.problem.r))

    def _distinct(self, directions: Tensor, known: Tensor) -> Tensor:
        """Implement `RegressionSearch._distinct`; those that may be mixtures add to their span."""
        least = self._least_zeros(known)
        strong, strong_known = self._zeros(directions) >= least, self._zeros(known) >= least
        fresh = strong & is_distinct(directions, NEARLY_SAME, known[strong_known])
        weak = (~strong).nonzero()[:, 0]
        fresh[weak] = _adds_to_span(directions[weak], known[~strong_known])
        return fresh

    def _take(self, directions: Tensor, nexts: Tensor) -> None:
        """Take new directions; mixtures that passed for samples leave when more is known."""
        super()._take(directions, nexts)
        known = unit(self.known.directions)
        zeros = self._zeros(known)
        weak = (zeros < self._least_zeros(known)).nonzero()[:, 0]
        weak = weak[zeros[weak].argsort(stable=True)]
        dropped = weak[~_adds_to_span(known[weak], known[:0])]
        if len(dropped):
            kept = torch.ones(len(known), dtype=torch.bool, device=known.device)
            kept[dropped] = False
            self.known = self.known[kept.nonzero()[:, 0]]
            super()._take(known[:0], self.known.next_coordinates[:0])

    def _least_zeros(self, directions: Tensor) -> int:
        """Zeros from which on a direction is no mixture of those with fewer, k of them.

        A mixture of k directions can have k - 1 zeros.
        """
        zeros, span = self._zeros(directions), self._count
        while int((zeros < span + SPARE).sum()) > span:
            span = int((zeros < span + SPARE).sum())
        return span + SPARE

    def _zeros(self, directions: Tensor) -> Tensor:
        """Number of neurons beyond a kink, of each direction."""
        columns = (directions @ self.problem.left.T).abs()
        return (columns < ZERO * columns.square().mean(dim=1, keepdim=True).sqrt()).sum(dim=1)

    @property
    def kinked(self) -> Samples:
        """The samples found whose directions are no mixtures."""
        known = unit(self.known.directions)
        return self.known[(self._zeros(known) >= self._least_zeros(known)).nonzero()[:, 0]]


def _adds_to_span(directions: Tensor, known: Tensor) -> Tensor:
    """Mark the unit directions with a part outside the span of those known, and marked before."""
    marked = torch.zeros(len(directions), dtype=torch.bool, device=directions.device)
    basis = torch.linalg.qr(known.T).Q
    for place, direction in enumerate(directions):
        part = direction - basis @ (basis.T @ direction)
        marked[place] = torch.linalg.vector_norm(part) > OWN
        if marked[place]:
            basis = torch.cat([basis, unit(part[None]).T], dim=1)
    return marked


def beside_search(problem: PairProblem, count: int, seed: int) -> BesidePeeling | BesideRegressions:
    """Return the search for the samples with a kink.

    Args:
        problem: with a piecewise linear activation.
        count: number of samples without a kink.
        seed: of the starts.
    """
    kind = BesidePeeling if problem.spans_activations else BesideRegressions
    return kind(problem, count, seed)


def with_exact_directions(problem: PairProblem, kinked: Samples, count: int) -> Samples:
    """Return all samples with a kink with directions that have no part of the others'.

    A sample that has fewer kinks than samples have none fits with parts of their directions, too.
    But the rows of these satisfy a forward consistency that is linear, sigma(z) = l z, which tells
    their span, and a direction is orthogonal to it. Before few classes nothing is done.

    Args:
        problem: with a piecewise linear activation.
        kinked: all b - count samples with a kink.
        count: number of samples without.
    """
    few = _kinks(problem, kinked) < count + SPARE
    if not problem.spans_activations or not bool(few.any()):
        return kinked
    first, span = problem.first, kinkless(problem)
    z = first.projected_weight + first.bias[:, None] * first.bias_coordinates
    rests = z - problem.activations.T @ (problem.activations @ z)
    rows = torch.linalg.svd(rests, full_matrices=False).Vh[-count:]
    parts = torch.linalg.solve(rows @ span.T, rows @ kinked.directions[few].T)
    directions = kinked.directions.clone()
    directions[few] -= parts.T @ span
    return replace(kinked, directions=directions)


def _kinks(problem: PairProblem, samples: Samples) -> Tensor:
    """Number of neurons of each sample that are beyond a kink."""
    pieces = problem.activation.pieces
    assert pieces is not None
    return (~pieces.inside(problem.pre_activations(samples.rows))).sum(dim=1)


def without_kinked(problem: PairProblem, kinked: Samples) -> Rest:
    """Return the layer pair of the samples without a kink alone."""
    whole = Rest.whole(problem)
    return whole.without(kinked) if len(kinked) else whole
