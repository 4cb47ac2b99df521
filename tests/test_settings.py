"""Checks of settings: a bound itself is allowed, NaN never is, the first that fails is named."""

import math

import pytest

from spear.errors import ConfigError
from spear.settings import check_above_zero, check_least, check_weights


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
    ],
)
def test_the_first_that_fails_is_named(check, message):
    with pytest.raises(ConfigError) as error:
        check()
    assert str(error.value) == message
