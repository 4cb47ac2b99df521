"""The covariance matrix adaptation evolution strategy, by Hansen's own library."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spear.errors import ConfigError
from spear.settings import check_above_zero, check_least

Array = NDArray[np.float64]


class Evolution(Protocol):
    """A minimiser without derivatives. A new one is named in a file of `conf/attack/`."""

    @property
    def evaluations(self) -> int:
        """Largest number of evaluations."""
        ...

    def __call__(self, value: Callable[[Array], float], size: int, seed: int) -> Iterator[int]:
        """Evaluate candidates (size), and yield the number of evaluations after each generation.

        Args:
            value: of a candidate; the caller keeps the best.
            size: entries of a candidate.
            seed: of all random numbers.
        """
        ...


class CMAES:
    """CMA-ES (Hansen and Ostermeier, "Completely derandomized self-adaptation in evolution
    strategies", Evolutionary Computation 2001), by the library `cma`.

    It starts at 0, the mean of a generator's latents, and ends before its time only if it has
    converged.

    Args:
        generations: at most.
        population: candidates in each.
        step: standard deviation of the first generation.

    Raises:
        ConfigError: a setting is out of range, or `cma` is not installed.
    """

    def __init__(self, generations: int = 800, population: int = 50, step: float = 1.0) -> None:
        check_least(1, generations=generations)
        check_least(4, population=population)
        check_above_zero(step=step)
        self.generations = generations
        self.population = population
        self.step = step
        _library()

    @property
    def evaluations(self) -> int:
        """Implement `Evolution`."""
        return self.generations * self.population

    def __call__(self, value: Callable[[Array], float], size: int, seed: int) -> Iterator[int]:
        """Implement `Evolution`."""
        # NumPy's global generator, which `cma` seeds and draws from otherwise, stays as it is.
        random = np.random.RandomState(seed % 2**32)
        options = {
            "popsize": self.population,
            "randn": random.randn,
            "seed": np.nan,
            "verbose": -9,
        }
        strategy = _library().CMAEvolutionStrategy(np.zeros(size), self.step, options)
        for generation in range(1, self.generations + 1):
            candidates = strategy.ask()
            strategy.tell(candidates, [value(each) for each in candidates])
            yield generation * self.population
            if strategy.stop():
                break


def _library() -> Any:
    try:
        import cma  # takes a second, and comes with the extra `generative`
    except ImportError as error:
        raise ConfigError(
            "CMA-ES needs the package cma, which is not installed; install it with "
            "`pip install cma`, or name another minimiser by attack.evolution._target_."
        ) from error
    return cma
