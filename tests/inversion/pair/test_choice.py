"""Which search suits which pair; what it refuses is tested with the attack."""

import pytest
from support.pairs import ALL, PIECEWISE, pair_case

from spear.inversion.pair.choice import ENGINES, Method, search_for
from spear.inversion.pair.piecewise import PiecewiseEngine
from spear.inversion.pair.regression_solver import RegressionSearch
from spear.inversion.pair.smooth import SmoothEngine
from spear.inversion.pair.solver import Peeling
from spear.inversion.pair.sparse import SparseEngine


@pytest.mark.parametrize("name", ALL)
def test_by_activation_before_a_wide_layer(name):
    search = search_for(pair_case(name).problem, None, seed=0)
    assert isinstance(search, Peeling)
    expected = {"relu": SparseEngine, "leaky_relu": PiecewiseEngine, "prelu": PiecewiseEngine,
                "relu6": PiecewiseEngine}  # fmt: skip
    assert type(search.engine) is expected.get(name, SmoothEngine)


@pytest.mark.parametrize("name", ALL)
def test_by_activation_before_a_narrow_layer(name):
    search = search_for(pair_case(name, b=6, classes=4, depth=2).problem, None, seed=0)
    if name in PIECEWISE:
        assert isinstance(search, RegressionSearch)
    else:
        assert isinstance(search, Peeling)
        assert isinstance(search.engine, SmoothEngine)


def test_every_method_has_an_engine():
    assert set(ENGINES) == set(Method)
