"""Schedules of the learning rate over the iterations."""

import math
from collections.abc import Sequence
from typing import Protocol

from spear.errors import ConfigError


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
        """Implement `Schedule`."""
        if iteration <= self.warm_up:
            return iteration / self.warm_up if self.warm_up else 1.0
        return (1.0 + math.cos(math.pi * (iteration - self.warm_up - 1) / iterations)) / 2.0


class Constant:
    """A constant factor of 1."""

    def __call__(self, iteration: int, iterations: int) -> float:
        """Implement `Schedule`."""
        return 1.0


class Cosine:
    """A cosine from 1 at the first iteration to 0 after the last one, its half period."""

    def __call__(self, iteration: int, iterations: int) -> float:
        """Implement `Schedule`."""
        return (1.0 + math.cos(math.pi * iteration / iterations)) / 2.0


class WarmUpRampDown:
    """min(1, t / w) times a half cosine from 1 to 0 over the last part r; t is the share done.

    Args:
        warm_up: w, the share of the iterations in which the factor rises linearly.
        ramp_down: r, the share in which it falls.

    Raises:
        ConfigError: a share is not in (0, 1].
    """

    def __init__(self, warm_up: float = 0.05, ramp_down: float = 0.75) -> None:
        for name, share in (("warm_up", warm_up), ("ramp_down", ramp_down)):
            if not 0 < share <= 1:
                raise ConfigError(f"{name} is {share}; expected a share above 0, at most 1.")
        self.warm_up = warm_up
        self.ramp_down = ramp_down

    def __call__(self, iteration: int, iterations: int) -> float:
        """Implement `Schedule`."""
        t = iteration / iterations
        falling = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1.0 - t) / self.ramp_down))
        return min(1.0, t / self.warm_up) * falling


class StepDecay:
    """A factor that is lowered at given shares of the iterations: 0.1 at 3/8, 5/8 and 7/8.

    The steps of Geiping et al. (NeurIPS 2020), which Jeon et al. (NeurIPS 2021) take over.

    Args:
        factor: by which it is multiplied each time.
        shares: of the iterations, after which it is.

    Raises:
        ConfigError: the factor or a share is not in (0, 1].
    """

    def __init__(
        self, factor: float = 0.1, shares: Sequence[float] = (0.375, 0.625, 0.875)
    ) -> None:
        for name, share in (("factor", factor), *(("a share", each) for each in shares)):
            if not 0 < share <= 1:
                raise ConfigError(f"{name} is {share}; expected a number above 0, at most 1.")
        self.factor = factor
        self.shares = tuple(shares)

    def __call__(self, iteration: int, iterations: int) -> float:
        """Implement `Schedule`."""
        passed = sum(iteration >= share * iterations for share in self.shares)
        return self.factor**passed
