"""Checks of settings that several classes share."""

import math
from numbers import Real
from typing import Any

import torch

from spear.errors import ConfigError


def is_number(value: Any) -> bool:
    """Return whether a value is a real number, NaN included; a text is none."""
    return isinstance(value, Real)


def check_least(least: float, **settings: float) -> None:
    """Refuse settings below a bound, NaN, and anything but numbers.

    Args:
        least: the smallest value allowed.
        settings: values by the names of their parameters.

    Raises:
        ConfigError: one is; the message names the first.
    """
    for name, value in settings.items():
        if not (is_number(value) and value >= least):
            raise ConfigError(f"{name} is {value!r}; expected at least {least}.")


def check_weights(**settings: float) -> None:
    """Refuse settings that are negative, infinite, NaN or no number.

    Args:
        settings: values by the names of their parameters.

    Raises:
        ConfigError: one is; the message names the first.
    """
    for name, value in settings.items():
        if not (is_number(value) and 0 <= value < math.inf):
            raise ConfigError(f"{name} is {value!r}; expected a finite number of 0 or more.")


def check_above_zero(**settings: float) -> None:
    """Refuse settings that are 0, negative, NaN or no number.

    Args:
        settings: values by the names of their parameters.

    Raises:
        ConfigError: one is; the message names the first.
    """
    for name, value in settings.items():
        if not (is_number(value) and value > 0):
            raise ConfigError(f"{name} is {value!r}; expected more than 0.")


def check_time_limit(time_limit: float | None) -> None:
    """Refuse a time limit that gives no time.

    Args:
        time_limit: seconds; None for no limit.

    Raises:
        ConfigError: it is 0, negative, NaN or no number.
    """
    if time_limit is not None and not (is_number(time_limit) and time_limit > 0):
        raise ConfigError(
            f"time_limit is {time_limit!r}; expected a number of seconds above 0, or null for no "
            "limit."
        )


def check_run(time_limit: float | None, device: Any) -> None:
    """Refuse a time limit that gives no time, and a device on which this machine cannot compute.

    Raises:
        ConfigError: see `check_time_limit` and `check_device`.
    """
    check_time_limit(time_limit)
    check_device(device)


def check_device(device: Any) -> None:
    """Refuse a device on which this machine cannot compute.

    Args:
        device: its name, as torch has it.

    Raises:
        ConfigError: it is no name of a device, or the machine has none of this name.
    """
    try:
        if not isinstance(device, str | torch.device):
            raise TypeError
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ConfigError(
            f"device is {str(device)!r}, on which this machine cannot compute; expected cpu, or "
            "cuda on a machine with a GPU."
        ) from error
