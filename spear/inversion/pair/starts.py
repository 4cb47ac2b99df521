"""Starts of descents on forward consistency: at random, or near inputs that are to be expected."""

from typing import Protocol

import torch
from torch import Tensor

from spear.inversion.pair.forward import residuals
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace

EXPECTED = 0.875
"""Share of a round's starts that are near expected inputs. The others are random, for inputs that
nobody expects."""

DRAWN = 24
"""Expected inputs that are drawn for each start near one."""

APART = 0.5
"""Least distance of two of them, in the median distance of those drawn: nearer ones, such as one
word at neighbouring positions, lead to the same input."""


class DrawStarts(Protocol):
    """Draws the starts of a round."""

    def __call__(
        self, problem: PairProblem, space: RowSpace, count: int, generator: torch.Generator
    ) -> Tensor:
        """Return coordinates in the space of a problem's rows (count x d).

        Args:
            problem: the rest of a layer pair.
            space: of its rows.
            count: number of starts.
            generator: on the problem's device.
        """
        ...


def random_starts(
    problem: PairProblem, space: RowSpace, count: int, generator: torch.Generator
) -> Tensor:
    """Implement `DrawStarts` without any expectation."""
    return space.random(count, generator)


class ExpectedStarts:
    """Starts of which most are near expected inputs, and the others random.

    An input is known by its pre-activations W x + c1. So it has a start in the rest of a pair, too:
    the row whose pre-activations there, M' p' + c1, are nearest. Many are drawn, and those whose
    activations lie nearest to the row space of G2 are taken, unless they are alike. Those near an
    input that is found already lie far from the row space of the rest.

    Args:
        pre_activations: of the expected inputs (k x m). What lies outside the row space of the
            gradient belongs to no input of the batch, and does not count.
    """

    def __init__(self, pre_activations: Tensor) -> None:
        self.pre_activations = pre_activations

    @classmethod
    def of(cls, problem: PairProblem, inputs: Tensor) -> "ExpectedStarts":
        """Return the starts near inputs (k x n) of a whole problem."""
        right = problem.first.right
        rows = torch.linalg.lstsq(right.T, inputs.to(right).T).solution.T
        return cls(problem.pre_activations(rows))

    def __call__(
        self, problem: PairProblem, space: RowSpace, count: int, generator: torch.Generator
    ) -> Tensor:
        """Implement `DrawStarts`."""
        near = round(EXPECTED * count)
        total, device = len(self.pre_activations), generator.device
        order = torch.randperm(total, generator=generator, device=device)[: DRAWN * near]
        drawn = self.pre_activations[order]
        points = space.coordinates(_nearest_rows(problem, drawn))
        best = residuals(problem, space.rows(points)).argsort(stable=True)
        chosen = points[best[_apart(drawn[best], near)]]
        return torch.cat([chosen, space.random(count - len(chosen), generator)])


def _nearest_rows(problem: PairProblem, pre_activations: Tensor) -> Tensor:
    """Rows whose pre-activations are nearest to given ones (k x b)."""
    linear = pre_activations - problem.first.bias
    return torch.linalg.lstsq(problem.first.projected_weight, linear.T).solution.T


def _apart(points: Tensor, count: int) -> list[int]:
    """Indices of points that are far from all chosen before, `count` at most."""
    distances = torch.cdist(points, points)
    least = APART * float(distances.median())
    chosen: list[int] = []
    for i in range(len(points)):
        if len(chosen) == count:
            break
        if bool((distances[i, chosen] > least).all()):
            chosen.append(i)
    return chosen
