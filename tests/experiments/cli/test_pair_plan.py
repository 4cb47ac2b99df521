"""`spear plan` of layer pairs: the size of their searches, and what has no forecast."""

import pytest

from spear.experiments.cli.forecasts import rates, table
from spear.experiments.cli.plan import plan
from spear.inversion.descent.cost import Search
from spear.inversion.pair.planned_search import Kind, PairSearch

KNOWN = {Search: 1.0, PairSearch: 1.0}


def test_every_attack_on_pairs_has_a_forecast():
    attacks = "spear_pair,spear_peeling,spear_regressions,spear_descent,spear_network"
    jobs = plan([f"attack={attacks}", "batch_size=8"])
    assert [job.search.kind for job in jobs] == [
        Kind.PEELING, Kind.PEELING, Kind.REGRESSIONS, Kind.FORWARD, Kind.PEELING,
    ]  # fmt: skip
    assert "no forecast" not in table(jobs, KNOWN)


@pytest.mark.parametrize(
    ("override", "kind"),
    [
        ("batch_size=24", Search),
        ("batch_size=25", PairSearch),
        ("network.width=150", PairSearch),
        ("network.activation=gelu", PairSearch),
        ("attack.layer=2", PairSearch),
        ("attack.layer=-1", PairSearch),
        ("fedavg=fedavg batch_size=30", Search),
        ("network=trained", Search),
    ],
)
def test_the_default_is_forecast_by_what_it_tries_first(override, kind):
    (job,) = plan(["batch_size=20", *override.split()])
    assert isinstance(job.search, kind), job.obstacle


@pytest.mark.parametrize("activation", ["gelu_tanh", "prelu", "selu", "hardswish"])
def test_the_next_layer_tells_the_rank(activation):
    common = ["attack=spear_pair", f"network.activation={activation}", "batch_size=20"]
    wide, classifier = plan([*common, "network.depth=6,2"])
    assert (wide.search.r, classifier.search.r) == (20, 9)
    assert wide.search.activation.name == activation.removesuffix("_tanh")


def test_a_deeper_pair_is_as_narrow_as_the_network():
    job, last = plan(["attack=spear_pair", "attack.layer=2,5", "network.width=100"])
    assert (job.search.m, job.search.n, job.search.r) == (100, 100, 20)
    assert last.search.r == 9


def test_an_activation_of_ones_own_is_traced(monkeypatch):
    monkeypatch.setenv("SPEAR_PACKAGES", "torch")
    (job,) = plan(["attack=spear_pair", "network.activation={_target_: torch.nn.Softplus}"])
    assert job.search.activation.name == "softplus"


def test_a_search_beyond_the_limits_is_told():
    jobs = plan(["attack=spear_pair", "batch_size=20,110"])
    first, second, _ = table(jobs, KNOWN).splitlines()
    assert "full rank" not in first
    assert "no search: full rank, as m = 200 and n = " in second


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("defense=dpsgd", "in noise"),
        ("fedavg=fedavg", "after local steps"),
        ("dataset.normalize=false", "pixels that are not normalised"),
        ("network=lenet", "no forecast for layer pairs of lenet"),
        ("network.bias=false", "no linear layer with a bias|has no bias"),
        ("attack.layer=6", "layer is 6"),
        ("device=cuda", "device=cuda"),
    ],
)
def test_what_no_record_tells_has_no_forecast(override, reason):
    (job,) = plan(["attack=spear_pair", override])
    assert job.search is None
    assert any(each in job.obstacle for each in reason.split("|"))


def test_only_the_pilots_that_are_needed_run(monkeypatch):
    monkeypatch.setattr("spear.inversion.descent.cost.pilot", lambda: 2.0)
    assert rates(plan(["batch_size=4"])) == {Search: 2.0}
    assert rates(plan(["attack=geiping"])) == {}
