"""How the learning rate changes over the iterations."""

import math
from typing import Protocol


class Schedule(Protocol):
    """A factor of the learning rate. A new one is named in a file of `conf/attack/`."""

    def __call__(self, iteration: int, iterations: int) -> float:
        """The factor at `iteration`, counted from 0, of `iterations` in all."""
        ...


class WarmUpCosine:
    """Linear from 0 to 1 in `warm_up` iterations, then a cosine from 1 to 0.

    The cosine begins one iteration later and has the whole run as its half period, so that it ends
    `warm_up` + 1 iterations short of 0: the authors' schedule for Geiping et al. (2020).

    Args:
        warm_up: iterations of the linear part.
    """

    def __init__(self, warm_up: int = 50) -> None:
        self.warm_up = warm_up

    def __call__(self, iteration: int, iterations: int) -> float:
        """See `Schedule`."""
        if iteration <= self.warm_up:
            return iteration / self.warm_up if self.warm_up else 1.0
        return (1.0 + math.cos(math.pi * (iteration - self.warm_up - 1) / iterations)) / 2.0


class Constant:
    """1 throughout."""

    def __call__(self, iteration: int, iterations: int) -> float:
        """See `Schedule`."""
        return 1.0


class Cosine:
    """A cosine from 1 at the first iteration to 0 after the last one, its half period."""

    def __call__(self, iteration: int, iterations: int) -> float:
        """See `Schedule`."""
        return (1.0 + math.cos(math.pi * iteration / iterations)) / 2.0
