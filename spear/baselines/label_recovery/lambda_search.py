"""Minimisation of the variance loss: one scalar, many local minima, and zero at the true one."""

from typing import Any, Protocol, cast

import numpy as np
from scipy.optimize import (
    Bounds,
    OptimizeResult,
    differential_evolution,
    dual_annealing,
    minimize_scalar,
)

from spear.baselines.label_recovery.variance import Array, VarianceLoss
from spear.errors import ConfigError
from spear.settings import check_least

SMALLEST, LARGEST = 1e-4, 500.0
"""|lambda| that is searched, in `VarianceLoss.unit`. Below, softmax is linear to rounding errors of
float32; above, the larger probabilities are 1 and the others 0."""

LINEAR_FROM = 5.0
"""From here on the loss changes with lambda, below with its logarithm."""

PRECISION = 1e-14
"""Precision to which lambda is refined, relative to its size."""


class LambdaSearch(Protocol):
    """Finds the lambda of least loss. A new one gets one file in `conf/attack/lambda_search/`."""

    def __call__(self, loss: VarianceLoss, seed: int) -> float:
        """The best lambda found, positive or negative."""
        ...


class GridSearch:
    """All local minima of a grid over both signs, each on a finer one, the best refined by Brent.

    The loss of thousands of values of lambda is one evaluation of a matrix, so that nothing is left
    to chance: a minimum is missed only if two lie within a step of the finer grid. Mixtures in
    which one label has little weight are such cases, because the loss has a kink near its zero
    there; the labels at the two minima then differ as little.

    Args:
        points: of the grid up to `LINEAR_FROM`, evenly spaced in log lambda.
        step: of the grid above, in `VarianceLoss.unit`.
        kept: minima that are looked at more closely.
        zoom: points of the finer grid.

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self, points: int = 600, step: float = 0.25, kept: int = 12, zoom: int = 129
    ) -> None:
        check_least(3, points=points, zoom=zoom)
        check_least(1, kept=kept)
        if not 0 < step < LARGEST:
            raise ConfigError(f"step is {step}; expected more than 0.")
        self.kept = kept
        self.zoom = zoom
        self._grid = np.concatenate(
            [
                np.geomspace(SMALLEST, LINEAR_FROM, points),
                np.arange(LINEAR_FROM + step, LARGEST, step),
            ]
        )

    def __call__(self, loss: VarianceLoss, seed: int = 0) -> float:
        """Implement `LambdaSearch`. Nothing in it is random."""
        grid = loss.unit * self._grid
        coarse = _minima(loss, grid) + _minima(loss, -grid[::-1])
        fine = [
            minimum
            for _, left, right in sorted(coarse)[: self.kept]
            for minimum in _minima(loss, np.linspace(left, right, self.zoom))
        ]
        best = (refined(loss, left, right) for _, left, right in sorted(fine)[: self.kept])
        return min(best, key=loss.at)


class DifferentialEvolution:
    """SciPy's differential evolution (Storn and Price, 1997) over both signs, refined by Brent.

    Args:
        population: candidates per generation.
        generations: largest number of generations.

    Raises:
        ConfigError: fewer than five candidates, which the method needs, or no generation.
    """

    def __init__(self, population: int = 500, generations: int = 40) -> None:
        if population < 5 or generations < 1:
            raise ConfigError(
                f"population is {population} and generations {generations}; "
                "expected at least 5 and 1."
            )
        self.population = population
        self.generations = generations

    def __call__(self, loss: VarianceLoss, seed: int = 0) -> float:
        """Implement `LambdaSearch`."""

        def evaluate(places: Array) -> Array:
            return loss(lambdas(loss, places[0]))

        found = differential_evolution(
            cast(Any, evaluate),  # the stubs do not know `vectorized`
            WHOLE,
            popsize=self.population,
            maxiter=self.generations,
            tol=0.0,
            rng=np.random.default_rng(seed),
            polish=False,
            vectorized=True,
            updating="deferred",
        )
        return refined_around(loss, found)


class DualAnnealing:
    """SciPy's dual annealing (Xiang et al., 1997) over both signs, refined by Brent.

    Args:
        iterations: of the annealing.

    Raises:
        ConfigError: iterations < 1.
    """

    def __init__(self, iterations: int = 1000) -> None:
        check_least(1, iterations=iterations)
        self.iterations = iterations

    def __call__(self, loss: VarianceLoss, seed: int = 0) -> float:
        """Implement `LambdaSearch`."""

        def evaluate(place: Array) -> float:
            return loss.at(float(lambdas(loss, place)[0]))

        found = dual_annealing(
            evaluate,
            WHOLE,
            maxiter=self.iterations,
            rng=np.random.default_rng(seed),
        )
        return refined_around(loss, found)


END = float(np.log1p(LARGEST / SMALLEST))
"""Upper end of the positions of global optimisers (`lambdas`)."""

WHOLE = Bounds([-END], [END])


def lambdas(loss: VarianceLoss, places: Array) -> Array:
    """Lambda at positions in [-END, END], on which a global optimiser moves: its logarithm, but for
    the neighbourhood of 0, with its sign."""
    return loss.unit * SMALLEST * np.sign(places) * np.expm1(np.abs(places))


def refined_around(loss: VarianceLoss, found: OptimizeResult, width: float = 1e-3) -> float:
    """The minimum near the position that a global optimiser found."""
    place = float(np.atleast_1d(found.x)[0])
    left, right = lambdas(loss, np.array([place - width, place + width]))
    return refined(loss, float(left), float(right))


def refined(loss: VarianceLoss, left: float, right: float) -> float:
    """The minimum between two lambdas by Brent's method, in float64."""
    # From the middle on: SciPy's tolerance is relative to the size of its variable.
    middle = (left + right) / 2
    found = minimize_scalar(
        lambda offset: loss.at(middle + offset),
        bounds=(left - middle, right - middle),
        method="bounded",
        options={"xatol": PRECISION * abs(middle)},
    )
    return middle + float(found.x)


def _minima(loss: VarianceLoss, grid: Array) -> list[tuple[float, float, float]]:
    """The loss at each local minimum of a grid (ascending), and its two neighbours.

    The grid's best point is always one of them.
    """
    values = loss(grid)
    inner = values[1:-1]
    lowest = (inner <= values[:-2]) & (inner <= values[2:])
    lowest[np.argmin(inner)] = True
    places = np.flatnonzero(lowest) + 1
    return [(float(values[i]), float(grid[i - 1]), float(grid[i + 1])) for i in places.tolist()]
