"""LAVP: Hessians are those of the matching losses, their ends are found, bad input is refused."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from support.command import Command
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spear.analysis.figures import lavp as figure
from spear.analysis.statistics.rank_correlation import Interval, correlation, gain, spearman
from spear.analysis.tables import lavp as table
from spear.analysis.tables import lavp_spectrum
from spear.baselines.gradient_matching.objectives import CosineDistance, Objective, SquaredDistance
from spear.baselines.gradient_matching.problem import Problem
from spear.client.client import Client
from spear.client.risk.eigenvalues import extremes
from spear.client.risk.hessian import (
    Gram,
    MatchingHessian,
    cosine_distance_hessian,
    squared_distance_hessian,
)
from spear.client.risk.jacobian import GradientJacobian
from spear.client.risk.lavp import Lavp
from spear.data import Batch
from spear.errors import ConfigError, InvalidObservation, VictimError
from spear.networks import fcnn, lenet

LOSSES = {
    "l2": (SquaredDistance(), squared_distance_hessian),
    "cosine": (CosineDistance(), cosine_distance_hessian),
}
SHAPE = (1, 8, 9)  # more entries than are decomposed at once
PICTURE = (1, 12, 12)
CASES = {
    "fully connected": (lambda: fcnn(SHAPE, 4, width=12, depth=3), SHAPE, 1),
    "a batch of two": (lambda: fcnn(SHAPE, 4, width=12, depth=3), SHAPE, 2),
    "convolutional": (lambda: lenet(PICTURE, 4), PICTURE, 1),
}
LOSS = nn.CrossEntropyLoss()


def drawn(b: int = 1, shape: tuple[int, ...] = SHAPE) -> Batch:
    inputs = torch.randn(b, *shape, generator=torch.Generator().manual_seed(3)).double()
    return Batch(inputs, torch.arange(b) % 4)


def hessian_of(
    network: nn.Module, batch: Batch, loss: str, of: nn.Module = LOSS
) -> MatchingHessian:
    return LOSSES[loss][1](Gram(GradientJacobian(network, of, batch)))


def by_autograd(network: nn.Module, batch: Batch, objective: Objective) -> Tensor:
    """The Hessian of what an attack minimises, at the truth, by differentiating it twice."""
    network = network.double()
    update = Client(network).share(batch).copied("cpu")
    problem = Problem(update, objective, {})

    def distance(inputs: Tensor) -> Tensor:
        return problem(inputs, batch.labels).total

    n = batch.inputs.numel()
    return torch.autograd.functional.hessian(distance, batch.inputs).reshape(n, n)


def test_a_parameter_that_the_loss_does_not_reach_has_a_gradient_of_zeros():
    network, batch = fcnn(SHAPE, 4, width=12, depth=3), drawn()
    without = GradientJacobian(network, LOSS, batch)
    network.register_parameter("unused", nn.Parameter(torch.ones(3)))
    jacobian = GradientJacobian(network, LOSS, batch)
    assert jacobian.norm == pytest.approx(without.norm, rel=1e-12)
    unused = [part for part in jacobian.gradient if part.shape == (3,)]
    assert [part.tolist() for part in unused] == [[0.0, 0.0, 0.0]]
    assert not any(part.requires_grad for part in jacobian.gradient)  # nor keeps its graph


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.few(2)
def test_both_ends_are_those_of_the_dense_hessian_of_the_matching_loss(name, loss):
    make, shape, b = CASES[name]
    network, batch = make(), drawn(b, shape)
    hessian = hessian_of(network, batch, loss)
    found = extremes(hessian)
    by_products = not hessian.gram.formed
    expected = by_autograd(network, batch, LOSSES[loss][0])
    values = torch.linalg.eigvalsh(expected).numpy()
    rounding = 1e-13 * values[-1]
    assert by_products == (name != "convolutional")
    assert found.largest.value == pytest.approx(values[-1], rel=1e-8)
    assert found.smallest.value == pytest.approx(values[0], rel=1e-5, abs=rounding)
    for end in (found.largest, found.smallest):
        assert np.abs(values - end.value).min() <= end.residual + rounding
        assert end.residual <= 1e-6 * end.value
    np.testing.assert_allclose(hessian.entries(), expected.numpy(), rtol=0.0, atol=rounding)


class Half(nn.Module):
    """outputs^2 / 2, whatever the labels."""

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return outputs.square().sum() / 2.0


@pytest.mark.parametrize("n", [5, 90])
def test_a_linear_network_has_its_closed_form(n):
    """phi(x) = (w x) x, so that at x = w, with e = w / |w|, J = |w|^2 (I + e e^T).

    The cosine distance does not see a step along e: its Hessian (I - e e^T) / |w|^2 is singular.
    """
    network = nn.Linear(n, 1, bias=False)
    w = network.weight.detach().double()
    size = w.square().sum().item()
    l2 = extremes(hessian_of(network, Batch(w, torch.zeros(1)), "l2", Half()))
    assert l2.largest.value == pytest.approx(8.0 * size**2, rel=1e-9)
    assert l2.smallest.value == pytest.approx(2.0 * size**2, rel=1e-9)
    cosine = extremes(hessian_of(network, Batch(w, torch.zeros(1)), "cosine", Half()))
    assert cosine.largest.value == pytest.approx(1.0 / size, rel=1e-9)
    assert cosine.smallest.value == 0.0


def test_most_directions_of_a_fully_connected_network_share_one_eigenvalue():
    network, batch = fcnn((90,), 4, width=20, depth=3).double(), drawn(1, (90,))
    gradients = Client(network).share(batch).gradients
    d = gradients["1.bias"]
    active = int((d != 0).sum())
    values = np.linalg.eigvalsh(hessian_of(network, batch, "l2").entries())
    common = 2.0 * d.square().sum().item()
    assert np.isclose(values, common, rtol=1e-9).sum() >= 90 - active - 1
    norm = math.sqrt(sum(each.square().sum().item() for each in gradients.values()))
    values = np.linalg.eigvalsh(hessian_of(network, batch, "cosine").entries())
    assert np.isclose(values, common / 2.0 / norm**2, rtol=1e-9).sum() >= 90 - active - 1


def test_the_forecast_names_its_numbers_and_leaves_the_network_as_it_was():
    network, batch = lenet(PICTURE, 4), drawn(1, PICTURE)
    found = Lavp()(network, LOSS, batch)
    for end in ("max", "min"):
        l2, cosine = found[f"lavp_l2_{end}"], found[f"lavp_cosine_{end}"]
        assert found[f"lavp_fused_{end}"] == pytest.approx(math.sqrt(l2 * cosine))
    assert found["lavp_dense"] == 1.0
    for value, before in zip(network.parameters(), lenet(PICTURE, 4).parameters(), strict=True):
        assert value.grad is None
        assert torch.equal(value, before)
    gradients = Client(network.double()).share(batch).gradients.values()
    assert found["gradient_norm"] == pytest.approx(nn.utils.get_total_norm(gradients).item())


def test_a_smallest_eigenvalue_that_would_need_too_large_a_matrix_is_not_found():
    found = Lavp(max_dense=143)(lenet(PICTURE, 4), LOSS, drawn(1, PICTURE))
    assert found["lavp_dense"] == 0.0
    for name, value in found.items():
        assert math.isnan(value) == ("min" in name), name


def test_without_a_gradient_there_is_no_cosine_distance():
    network = fcnn(SHAPE, 4, width=12, depth=3)
    with torch.no_grad():
        for each in network.parameters():
            each.zero_()
    certain = nn.Sequential(network, Zero())
    with pytest.raises(InvalidObservation, match="zero everywhere"):
        hessian_of(certain, drawn(), "cosine", Half())
    found = Lavp()(certain, Half(), drawn())
    assert found["gradient_norm"] == found["lavp_l2_max"] == found["lavp_l2_min"] == 0.0
    assert math.isnan(found["lavp_cosine_max"])
    assert math.isnan(found["lavp_fused_max"])


class Zero(nn.Module):
    """Nothing of the outputs is left."""

    def forward(self, outputs: Tensor) -> Tensor:
        return 0.0 * outputs


class Once(torch.autograd.Function):
    """The identity, which may be differentiated once."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        return 2.0 * gradient


class OnceDifferentiable(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Once.apply(x)


def broken() -> nn.Module:
    network = fcnn(SHAPE, 4, width=12, depth=3)
    nn.init.constant_(network[1].bias, math.nan)
    return network


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: nn.Sequential(nn.BatchNorm2d(1), *fcnn(SHAPE, 4)), VictimError, "training mode"),
        (lambda: fcnn(SHAPE, 4).requires_grad_(False), VictimError, "no parameter that is trained"),
        (
            lambda: nn.Sequential(OnceDifferentiable(), *fcnn(SHAPE, 4)), VictimError,
            r"'0' \(OnceDifferentiable\) of the network cannot be differentiated twice",
        ),
        (broken, InvalidObservation, "NaN or infinite"),
    ],
)  # fmt: skip
def test_a_network_without_such_hessians_is_refused_in_one_sentence(make, error, said):
    with pytest.raises(error, match=said):
        Lavp()(make(), LOSS, drawn())


@pytest.mark.parametrize("setting", [{"tolerance": 0.0}, {"tolerance": 2.0}, {"max_dense": -1}])
def test_settings_out_of_range_are_refused_by_name(setting):
    with pytest.raises(ConfigError, match=f"^{next(iter(setting))} is "):
        Lavp(**setting)


def test_a_job_records_what_its_client_foresaw(tmp_path, monkeypatch, capfd):
    spear = Command(tmp_path, monkeypatch, capfd)
    job = ("dataset=digits", "attack=match_l2", "attack.iterations=5", "network.depth=2")
    job = (*job, "batch_size=1", "n_batches=2", "network.width=20")
    assert spear(*job, "risk=lavp", "hydra.run.dir=" + str(tmp_path / "with")).code == 0
    assert spear(*job, "hydra.run.dir=" + str(tmp_path / "without")).code == 0
    summaries = [
        json.loads((tmp_path / name / "summary.json").read_text()) for name in ("with", "without")
    ]
    assert [each["forecast"] for each in summaries] == ["lavp", "none"]
    foreseen = summaries[0]["details_median"]
    assert foreseen["lavp_l2_max"] > foreseen["lavp_l2_min"] > 0.0
    assert "gradient_norm" not in summaries[1]["details_median"]
    assert summaries[0]["psnr_mean"] == summaries[1]["psnr_mean"]


# What analysis makes of it


def test_ranks_are_correlated_as_scipy_does_it():
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 6, (2, 4, 20)).astype(float)  # with ties
    expected = [spearmanr(x, y).statistic for x, y in zip(first, second, strict=True)]
    np.testing.assert_allclose(spearman(first, second), expected)
    assert np.isnan(spearman(np.ones(5), np.arange(5.0)))


def test_a_monotone_proxy_has_a_correlation_without_doubt():
    x = np.linspace(1.0, 2.0, 20)
    assert str(correlation(x, -(x**3))) == "-1.00 [-1.00, -1.00]"
    assert gain(-x, x, x**3) == Interval(0.0, 0.0, 0.0)


def test_intervals_hold_what_they_should():
    """Of 20 pairs of normal variables with rho = 0.6, 95 % intervals miss it once in the mean."""
    generator = np.random.default_rng(1)
    pearson = 2.0 * math.sin(math.pi * 0.6 / 6.0)  # of normal variables with that rho
    x, noise = generator.standard_normal((2, 20, 60))
    y = pearson * x + math.sqrt(1.0 - pearson**2) * noise
    intervals = [correlation(*pair) for pair in zip(x, y, strict=True)]
    held = sum(each.low <= 0.6 <= each.high for each in intervals)
    assert held >= 16


@pytest.mark.parametrize("proxy", [[1.0, 1.0, 1.0], [1.0, math.nan, 2.0]])
def test_what_is_always_the_same_or_missing_has_no_correlation(proxy):
    assert correlation(proxy, [1.0, 2.0, 3.0]) is None
    assert correlation([1.0, 2.0, 3.0], proxy) is None


def recorded() -> pd.DataFrame:
    """PSNR falls with LAVP and has nothing to do with the norm; one job had no forecast."""
    generator = np.random.default_rng(0)
    jobs = []
    for dataset, network in (("mnist", "fcnn"), ("cifar10", "lenet")):
        lavp = np.exp(generator.standard_normal(25))
        seen = {"details.gradient_norm": generator.random(25), "details.lavp_dense": 0.0}
        seen["details.lavp_seconds"] = 2.0
        for loss in ("l2", "cosine", "fused"):
            seen |= {f"details.lavp_{loss}_max": lavp, f"details.lavp_{loss}_min": np.nan}
            seen |= {f"details.lavp_{loss}_{end}_residual": 1e-9 * lavp for end in ("max", "min")}
        lpips = np.nan if dataset == "mnist" else lavp / 9.0
        reached = {"batch": np.arange(25), "psnr": 20.0 - np.log(lavp), "lpips": lpips}
        chosen = {"dataset": dataset, "network": network, "seed": 0}
        jobs.append(pd.DataFrame(reached | chosen | seen | {"attack": "match_l2"}))
        if dataset == "mnist":
            jobs.append(pd.DataFrame(reached | chosen | {"attack": "match_cosine"}))
    return pd.concat(jobs, ignore_index=True)


def test_the_table_has_each_proxy_beside_the_norm():
    rows = table.table(recorded()).set_index(["data", "attack's loss", "quality"])
    assert list(rows.index) == [
        ("MNIST", "L2", "PSNR"), ("MNIST", "cosine", "PSNR"),
        ("CIFAR-10", "L2", "PSNR"), ("CIFAR-10", "L2", "LPIPS"),
    ]  # fmt: skip
    assert set(rows["L2 max"]) == {"-1.00 [-1.00, -1.00]", "1.00 [1.00, 1.00]"}
    assert set(rows["L2 min"]) == {"-"}
    for _, row in rows.iterrows():
        rho, gained = (float(row[name].split()[0]) for name in ("norm", "gain"))
        assert gained == pytest.approx(1.0 - abs(rho), abs=0.011)


def test_the_spectrum_says_what_was_not_found():
    rows = lavp_spectrum.table(recorded())
    assert len(rows) == 2
    assert set(rows["l2 min"]) == {"not found"}
    assert set(rows["residual of max"]) == {"1e-09"}


def test_the_figure_has_a_panel_for_each_cell():
    drawn = figure.draw(recorded())
    titles = [axes.get_title() for axes in drawn.axes if axes.get_title()]
    assert len(titles) == 3
    assert all(r"$\rho$ = -1.00 (norm " in title for title in titles)


def test_a_loss_with_weights_of_float32_is_evaluated_in_float64_and_left_as_it_was():
    weights = torch.tensor([1.0, 2.0, 4.0, 0.5])
    loss, network, batch = nn.CrossEntropyLoss(weight=weights), lenet(PICTURE, 4), drawn(2, PICTURE)
    found = Lavp()(network, loss, batch)
    assert loss.weight is not None
    assert loss.weight.dtype == torch.float32
    exact = Lavp()(network.double(), nn.CrossEntropyLoss(weight=weights.double()), batch)
    for name in ("gradient_norm", "lavp_l2_max", "lavp_cosine_min"):
        assert found[name] == pytest.approx(exact[name], rel=1e-12)
