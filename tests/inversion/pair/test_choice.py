"""Which search suits which pair; what it refuses is tested with the attack."""

import pytest
from support.pairs import ALL, PIECEWISE, pair_case

import spear.inversion.pair.choice
from spear.inversion.pair.choice import ENGINES, Method, search_for
from spear.inversion.pair.piecewise import PiecewiseEngine
from spear.inversion.pair.regression_solver import RegressionSearch
from spear.inversion.pair.smooth import SmoothEngine
from spear.inversion.pair.solver import Peeling
from spear.inversion.pair.sparse import SparseEngine
from spear.inversion.pair.wide import WideEngine


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


def test_a_wide_layer_has_an_engine_of_fewer_passes(monkeypatch):
    problem = pair_case("relu").problem
    monkeypatch.setattr(spear.inversion.pair.choice, "WIDE", problem.m)
    assert type(search_for(problem, None, seed=0).engine) is WideEngine
    monkeypatch.setattr(spear.inversion.pair.choice, "WIDE", problem.m + 1)
    assert type(search_for(problem, None, seed=0).engine) is SparseEngine
