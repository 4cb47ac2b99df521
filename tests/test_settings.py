"""Checks of settings: a bound itself is allowed, NaN never is, the first that fails is named."""

import inspect
import math
import re
from pkgutil import resolve_name
from unittest.mock import Mock

import pytest
import torch
from omegaconf import OmegaConf

from spear.errors import ConfigError
from spear.experiments.config.schema import CONF
from spear.settings import (
    check_above_zero,
    check_device,
    check_least,
    check_time_limit,
    check_weights,
)


def test_bounds_are_allowed():
    check_least(1, iterations=1, restarts=2)
    check_weights(matching=0.0, total_variation=1e9)
    check_above_zero(temperature=1e-300)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: check_least(3, points=3, zoom=2), "zoom is 2; expected at least 3."),
        (lambda: check_weights(l1=-1.0), "l1 is -1.0; expected a finite number of 0 or more."),
        (lambda: check_weights(l1=math.inf), "l1 is inf; expected a finite number of 0 or more."),
        (lambda: check_weights(l1=math.nan), "l1 is nan; expected a finite number of 0 or more."),
        (lambda: check_above_zero(rate=0.0), "rate is 0.0; expected more than 0."),
        (lambda: check_above_zero(rate=math.nan), "rate is nan; expected more than 0."),
        (lambda: check_least(1, restarts=math.nan), "restarts is nan; expected at least 1."),
        (lambda: check_least(1, restarts="x"), "restarts is 'x'; expected at least 1."),
        (lambda: check_above_zero(rate=None), "rate is None; expected more than 0."),
        (lambda: check_weights(l1="x"), "l1 is 'x'; expected a finite number of 0 or more."),
    ],
)
def test_the_first_that_fails_is_named(check, message):
    with pytest.raises(ConfigError) as error:
        check()
    assert str(error.value) == message


@pytest.mark.parametrize("limit", [None, 1e-3, 60, math.inf])
def test_a_time_limit_gives_some_time(limit: float | None):
    check_time_limit(limit)


def refused_by_every_attack(message: str, **setting: object) -> None:
    nodes = [OmegaConf.load(path) for path in (CONF / "attack").glob("*.yaml")]
    makers = {resolve_name(node._target_) for node in nodes if {"_target_", *setting} <= set(node)}
    assert len(makers) > 8
    for maker in makers:
        parameters = inspect.signature(maker).parameters.values()
        needed = [each.name for each in parameters if each.default is each.empty]
        with pytest.raises(ConfigError, match=message):
            maker(**dict.fromkeys(needed, Mock()), **setting)


@pytest.mark.parametrize("limit", [0, -1, math.nan, "x", [60]])
def test_a_time_limit_without_time_is_refused_by_every_attack(limit: object):
    message = f"time_limit is {limit!r}; expected a number of"
    refused_by_every_attack(re.escape(message), time_limit=limit)


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "auto", "meta", "", None, 7])
def test_a_device_that_is_not_there_is_refused_by_every_attack(name: object):
    message = f"^device is '{name}', on which this machine cannot compute; expected cpu, or cuda"
    refused_by_every_attack(message, device=name)


@pytest.mark.parametrize("name", ["cpu", torch.device("cpu")])
def test_a_device_that_is_there_is_allowed(name: object):
    check_device(name)
