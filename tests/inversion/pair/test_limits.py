"""Settings that all attacks on layer pairs share are checked in one place."""

import pytest

from spear.errors import ConfigError
from spear.inversion import (
    SpearNetwork,
    SpearPair,
    SpearPairByLoss,
    SpearPairToLoss,
    SpearPairUnbiased,
)
from spear.inversion.pair.limits import Limits

BAD = [("time_limit", 0), ("max_starts", 0.5), ("rank", 0), ("device", "moon")]


@pytest.mark.parametrize(
    "kind", [Limits, SpearPair, SpearPairUnbiased, SpearPairByLoss, SpearPairToLoss, SpearNetwork]
)
@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_setting_out_of_range_is_named(kind, name, value):
    with pytest.raises(ConfigError, match=f"^{name} is"):
        kind(**{name: value})


def test_no_time_limit_is_one():
    assert Limits(time_limit=None).time_limit is None
