"""Checks of settings that several classes share."""

import math

from spear.errors import ConfigError


def check_least(least: float, **settings: float) -> None:
    """Refuse settings below a bound.

    Args:
        least: the smallest value allowed.
        settings: values by the names of their parameters.

    Raises:
        ConfigError: one is below it; the message names the first.
    """
    for name, value in settings.items():
        if value < least:
            raise ConfigError(f"{name} is {value}; expected at least {least}.")


def check_weights(**settings: float) -> None:
    """Refuse settings that are negative, infinite or NaN.

    Args:
        settings: values by the names of their parameters.

    Raises:
        ConfigError: one is; the message names the first.
    """
    for name, value in settings.items():
        if not 0 <= value < math.inf:
            raise ConfigError(f"{name} is {value}; expected a finite number of 0 or more.")


def check_above_zero(**settings: float) -> None:
    """Refuse settings that are 0, negative or NaN.

    Args:
        settings: values by the names of their parameters.

    Raises:
        ConfigError: one is; the message names the first.
    """
    for name, value in settings.items():
        if not value > 0:
            raise ConfigError(f"{name} is {value}; expected more than 0.")


def check_time_limit(time_limit: float | None) -> None:
    """Refuse a time limit that gives no time.

    Args:
        time_limit: seconds; None for no limit.

    Raises:
        ConfigError: it is 0, negative or NaN.
    """
    if time_limit is not None and not time_limit > 0:
        raise ConfigError(
            f"time_limit is {time_limit}; expected a number of seconds above 0, or null for no "
            "limit."
        )
