"""TabLeak: every candidate is a row that could be, restarts agree, and they beat chance."""

import dataclasses
import json
import math
import time

import pandas as pd
import pytest
import torch
from support.command import Command
from support.tabular import FEATURES, People
from torch import Tensor, nn

from spear.attack import Progress
from spear.baselines.gradient_matching.objectives import CosineDistance
from spear.baselines.gradient_matching.problem import Problem
from spear.baselines.tableak.attack import TabLeak
from spear.baselines.tableak.batched import BatchedProblem
from spear.baselines.tableak.pooling import pooled
from spear.baselines.tableak.relaxation import Relaxation
from spear.client.client import Client
from spear.data import Adult
from spear.data.base import Dataset
from spear.data.tabular import TableDomain, split
from spear.domain import Domain
from spear.errors import ConfigError, InvalidObservation, VictimError
from spear.networks import fcnn
from spear.reconstruction import Reconstruction, Status
from spear.scoring import Score, Scorer, Truth, truth_of
from spear.update import Update

PEOPLE = People()
TABLE = PEOPLE.domain
assert isinstance(TABLE, TableDomain)


def shared(
    b: int = 4, dataset: Dataset = PEOPLE, network: nn.Module | None = None
) -> tuple[Update, Truth]:
    """The update of b rows, with their labels, and the truth."""
    batch = dataset.batch(b, torch.Generator().manual_seed(3))
    network = network or fcnn(dataset.input_shape, dataset.n_classes, width=40, depth=3)
    client = Client(network, domain=dataset.domain)
    return client.share(batch).with_labels(batch.labels), truth_of(client, batch, None)


def score(inputs: Tensor, truth: Truth, dataset: Dataset = PEOPLE) -> Score:
    return Scorer(dataset)(Reconstruction.estimate(inputs, 0.0), truth)


# The relaxation


@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("normalize", [True, False])
def test_relaxed_categories_sum_to_one_and_numbers_are_within_their_range(normalize, temperature):
    domain = People(normalize=normalize).domain
    free = 5 * torch.randn(3, 6, 7, generator=torch.Generator().manual_seed(0))
    blocks = split(FEATURES, domain.entries(Relaxation(domain, temperature)(free)))
    for name in ("job", "city"):
        assert (blocks[name] >= -1e-6).all()
        torch.testing.assert_close(blocks[name].sum(dim=-1), torch.ones(3, 6))
    for name in ("age", "income"):
        assert (blocks[name] >= -1e-6).all()
        assert (blocks[name] <= 1 + 1e-6).all()


def test_the_softmax_is_of_scores_that_are_not_standardised():
    free = torch.randn(1, 7, generator=torch.Generator().manual_seed(0))
    scores = free[:, 1:4] * torch.tensor(PEOPLE.std[1:4]) + torch.tensor(PEOPLE.mean[1:4])
    found = TABLE.entries(Relaxation(TABLE, temperature=2.0)(free))[:, 1:4]
    torch.testing.assert_close(found, (scores / 2).softmax(dim=1))


def test_projected_rows_have_one_category_and_the_same_numbers():
    relaxation = Relaxation(TABLE)
    inputs = relaxation(torch.randn(5, 7, generator=torch.Generator().manual_seed(0)))
    rows = relaxation.projected(inputs)
    blocks = split(FEATURES, TABLE.entries(rows))
    assert (blocks["job"].round(decimals=5).sort(dim=1).values == torch.tensor([0, 0, 1.0])).all()
    torch.testing.assert_close(rows[:, [0, 6]], inputs[:, [0, 6]])
    assert torch.equal(TABLE.values(rows), TABLE.values(inputs))


# Many candidates at once


class TwoPaths(nn.Module):
    """A convolution, a linear layer that is called twice, and another with an in-place ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(1, 3, 3, padding=1)
        self.first = nn.Linear(21, 21)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Linear(21, 8)
        self.last = nn.Linear(8, 2, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.convolution(inputs[:, None]).flatten(1)
        return self.last(self.relu(self.second(self.first(self.first(features)))))


@pytest.mark.parametrize("network", [None, TwoPaths()], ids=["fcnn", "two paths"])
def test_candidates_have_the_distances_and_derivatives_that_each_has_alone(network):
    torch.manual_seed(0)
    update, _ = shared(network=network)
    candidates = torch.randn(3, 4, 7, generator=torch.Generator().manual_seed(0))
    together, alone = candidates.clone().requires_grad_(), candidates.clone().requires_grad_()
    many = BatchedProblem(update.copied("cpu"), CosineDistance(), update.labels)(together)
    one = Problem(update.copied("cpu"), CosineDistance(), {})
    each = torch.stack([one(candidate, update.labels).total for candidate in alone])
    torch.testing.assert_close(many, each)
    for total, variable in ((many, together), (each, alone)):
        (variable.grad,) = torch.autograd.grad(total.sum(), variable)
    torch.testing.assert_close(together.grad, alone.grad, rtol=1e-3, atol=1e-6)


# Pooling


def test_the_pool_is_the_median_of_matched_rows():
    truth = PEOPLE.normalized(PEOPLE.entries[:4])
    off = torch.zeros(3, 4, 7)
    off[0, :, 0], off[1, :, 0], off[2, :, 0] = -0.05, 0.01, 9.0  # the last restart is far off
    ensemble = truth + off
    ensemble[1] = ensemble[1][torch.tensor([2, 0, 3, 1])]
    expected = truth.clone()
    expected[:, 0] += 0.01
    torch.testing.assert_close(pooled(ensemble, 0, TABLE), expected)


def test_the_order_of_the_pool_is_that_of_the_best():
    truth = PEOPLE.normalized(PEOPLE.entries[:4])
    ensemble = torch.stack([truth, truth.flip(0), truth.roll(1, 0)])
    torch.testing.assert_close(pooled(ensemble, 1, TABLE), truth.flip(0))


# The attack


def test_it_beats_chance_by_far():
    update, truth = shared()
    found = TabLeak(restarts=8, iterations=300)(update, seed=1)
    assert found.status is Status.ESTIMATED
    assert found.details["iterations"] == 300
    assert found.details["restarts"] == 8
    ours = score(found.inputs, truth)
    generator = torch.Generator().manual_seed(0)
    guesses = [PEOPLE.batch(4, generator).inputs for _ in range(20)]
    chance = [score(guess, truth) for guess in guesses]
    assert ours["tabular_accuracy"] > max(each["tabular_accuracy"] for each in chance)
    assert ours["discrete_accuracy"] >= 0.9
    assert ours["continuous_mae"] < min(each["continuous_mae"] for each in chance)


@pytest.mark.slow
def test_the_rows_of_adult_come_back(data_root):
    if not (data_root / "adult").exists():
        pytest.skip("SPEAR_DATA has no adult")
    adult = Adult(data_root)
    update, truth = shared(2, adult)
    found = TabLeak(restarts=4, iterations=300)(update)
    ours = score(found.inputs, truth, adult)
    chance = adult.batch(2, torch.Generator().manual_seed(0)).inputs
    assert ours["tabular_accuracy"] > score(chance, truth, adult)["tabular_accuracy"] + 0.1
    assert ours["discrete_accuracy"] >= 0.9


def test_the_same_seed_gives_the_same_rows_and_leaves_the_update_alone():
    update, _ = shared()
    before = [parameter.clone() for parameter in update.network.parameters()]
    first, second, other = (
        TabLeak(restarts=2, iterations=20)(update, seed=seed).inputs for seed in (5, 5, 6)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    after = [*update.network.parameters()]
    assert all(torch.equal(x, y) and y.requires_grad for x, y in zip(before, after, strict=True))


def test_it_stops_in_time_with_what_it_has():
    update, _ = shared()
    began = time.perf_counter()
    found = TabLeak(iterations=10**6, restarts=2, time_limit=0.5)(update)
    assert time.perf_counter() - began < 30
    assert found.status is Status.TIMED_OUT
    assert found.inputs.shape == (4, 7)


def test_interrupted_it_returns_what_it_has():
    update, _ = shared()
    seen = []

    def stop(progress: Progress) -> None:
        seen.append(progress.done)
        raise KeyboardInterrupt

    found = TabLeak(iterations=100, restarts=2)(update, progress=stop)
    assert found.status is Status.INTERRUPTED
    assert found.inputs.shape == (4, 7)
    assert seen == [found.details["iterations"]]


def test_an_update_of_zeros_is_no_search():
    update, _ = shared()
    zeros = {name: torch.zeros_like(each) for name, each in update.gradients.items()}
    found = TabLeak()(dataclasses.replace(update, gradients=zeros))
    assert found.status is Status.ZERO_GRADIENT


# What it refuses


def test_pictures_are_refused():
    network = fcnn((3, 4, 4), 2, width=20, depth=2)
    gradients = {name: torch.ones_like(each) for name, each in network.named_parameters()}
    update = dataclasses.replace(
        shared()[0], network=network, gradients=gradients, domain=Domain.unbounded((3, 4, 4))
    )
    with pytest.raises(InvalidObservation, match=r"\(3, 4, 4\).*no rows of a table.*dataset=adult"):
        TabLeak().observe(update)


def test_labels_are_needed():
    update = dataclasses.replace(shared()[0], labels=None)
    with pytest.raises(InvalidObservation, match="labels are not known"):
        TabLeak()(update)


def test_ordinal_categories_are_refused(data_root):
    if not (data_root / "adult").exists():
        pytest.skip("SPEAR_DATA has no adult")
    update, _ = shared(2, Adult(data_root, encoding="ordinal"))
    with pytest.raises(InvalidObservation, match=r"'workclass'.*encoding=one_hot"):
        TabLeak().observe(update)


def test_a_gradient_that_is_nowhere_finite_is_an_error():
    update, _ = shared()
    for parameter in update.network.parameters():
        nn.init.constant_(parameter, math.nan)
    with pytest.raises(VictimError, match="not finite at any candidate"):
        TabLeak(restarts=2, iterations=3)(update)


@pytest.mark.parametrize("setting", ["restarts", "iterations", "temperature"])
def test_settings_that_mean_nothing_are_refused(setting):
    with pytest.raises(ConfigError, match=rf"^{setting} is 0"):
        TabLeak(**{setting: 0})


# The command


def test_the_command_writes_readable_rows(data_root, tmp_path, monkeypatch, capfd):
    if not (data_root / "adult").exists():
        pytest.skip("SPEAR_DATA has no adult")
    spear = Command(tmp_path, monkeypatch, capfd)
    keys = ["dataset=adult", "batch_size=3", "n_batches=1"]
    assert spear(*keys, "attack=spear_irls").code == 0
    folder = spear.folder("attack=spear_irls,batch_size=3,dataset=adult,n_batches=1")
    rows = pd.read_csv(folder / "reconstructions.csv", index_col=["row", "is"])
    assert len(rows) == 6
    original, found = (rows.xs(each, level="is") for each in ("original", "reconstruction"))
    pd.testing.assert_frame_equal(original, found)
    assert set(original["sex"]) <= {"Male", "Female"}
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["discrete_accuracy_mean"] == 1.0
    assert summary["continuous_mae_mean"] == 0.0


def test_the_command_refuses_pictures_in_one_sentence(tmp_path, monkeypatch, capfd):
    spear = Command(tmp_path, monkeypatch, capfd)
    outcome = spear("dataset=digits", "batch_size=2", "n_batches=1", "attack=tableak")
    assert outcome.code == 1
    assert "no rows of a table" in outcome.message
    assert "dataset=adult" in outcome.message


# Metrics of tables


def test_rows_come_back_from_what_the_network_receives():
    inputs = PEOPLE.normalized(PEOPLE.entries)
    rows = TABLE.rows(inputs)
    assert [*rows] == [*FEATURES]
    again = torch.cat([FEATURES[name].encode(rows[name]) for name in FEATURES], dim=1)
    torch.testing.assert_close(again, PEOPLE.entries)
    first = pd.DataFrame({"age": [60], "job": ["nurse"], "city": ["Bern"], "income": [250]})
    entries = torch.tensor([[1, 0, 1, 0, 1, 0, 0.25]])
    pd.testing.assert_frame_equal(TABLE.rows(PEOPLE.normalized(entries)), first)


def test_each_entry_counts_once_in_the_metrics_of_a_table():
    _, truth = shared(4)
    values = truth.inputs.double()
    perfect = score(values.flip(0), truth)
    assert (perfect["discrete_accuracy"], perfect["tabular_accuracy"]) == (1.0, 1.0)
    assert perfect["continuous_mae"] == 0.0
    entries = TABLE.entries(values)
    entries[0, 1:4] = entries[0, [3, 1, 2]]  # one wrong job
    entries[1, 6] = (entries[1, 6] + 0.5) % 1  # one wrong income, by 500
    ours = score(TABLE.normalized(entries), truth)
    assert ours["discrete_accuracy"] == 7 / 8
    assert ours["continuous_mae"] == pytest.approx(500 / 8, abs=0.2)
    assert ours["tabular_accuracy"] == 14 / 16
    nearly = entries.clone()
    nearly[2, 6] += 0.319 * PEOPLE.std[6] - 0.001
    assert score(TABLE.normalized(nearly), truth)["tabular_accuracy"] == 14 / 16
    nearly[2, 6] += 0.003
    assert score(TABLE.normalized(nearly), truth)["tabular_accuracy"] == 13 / 16


def test_missing_rows_count_as_the_mean_row():
    _, truth = shared(4)
    known, padded = truth.inputs[:3], torch.cat([truth.inputs[:3], torch.zeros(1, 7)])
    assert score(known, truth)["tabular_accuracy"] == score(padded, truth)["tabular_accuracy"] < 1
    broken = torch.cat([known, torch.full((1, 7), math.nan)])
    assert score(broken, truth)["continuous_mae"] == score(padded, truth)["continuous_mae"] > 0
