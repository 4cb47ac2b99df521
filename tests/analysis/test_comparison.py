"""Ours beside the paper's: which cell is which, and what a verdict says."""

from typing import Any

import pandas as pd
import pytest

from spear.analysis.paper.comparison import accuracy_verdict, mean_verdict, papers
from spear.analysis.statistics.measures import half_width, with_deviation, with_interval
from spear.analysis.tables import (
    table2,
    table3,
    table4,
    table8,
    table9,
    table9_sampling,
    table9_scales,
    table10,
    table11,
)


def cells(**columns: list[Any]) -> pd.DataFrame:
    """Four batches a cell, the last not right."""
    frame = pd.DataFrame(columns).merge(pd.DataFrame({"k": range(4)}), how="cross")
    return frame.assign(
        psnr=100.0 + frame["k"],
        psnr_bound=110.0,
        batch_size=20,
        directions_near=[20, 20, 20, 19] * (len(frame) // 4),
        exact=[True, True, True, False] * (len(frame) // 4),
        seconds=0.5,
        gradient_median=1e-4,
    )


@pytest.mark.parametrize("table", ["table3", "table4", "table8", "table9", "table10", "table11"])
def test_the_papers_values_are_shares_and_decibels(table):
    values = papers(table)
    assert values["accuracy"].between(80, 100).all()
    small = ["lpips", "lpips_interval"]  # MNIST has none
    assert values.drop(columns=small, errors="ignore").notna().all(axis=None)
    assert not values.duplicated(subset=values.columns[:2]).any()


@pytest.mark.parametrize(
    ("right", "n", "paper", "verdict"),
    [(100, 100, 99, "equal"), (100, 100, 63, "better"), (50, 100, 99, "worse")],
)
def test_shares_are_compared_by_their_interval(right, n, paper, verdict):
    assert accuracy_verdict(right, n, paper) == verdict


def test_means_are_compared_by_their_interval():
    psnr = pd.Series([99.0, 101.0] * 50)
    assert mean_verdict(psnr, 100.1) == "equal"
    assert mean_verdict(psnr, 99.0) == "better"
    assert mean_verdict(psnr, 101.0) == "worse"


def test_the_interval_is_students():
    # n = 3, mean 2, deviation 1: 4.303 / sqrt(3), from any table of Student's t
    assert half_width(pd.Series([1.0, 2.0, 3.0])) == pytest.approx(2.484, abs=1e-3)
    many = pd.Series([-1.0, 1.0] * 5000)
    assert half_width(many) == pytest.approx(0.0196, abs=1e-4)


def test_means_are_told_with_what_they_vary_by():
    values = pd.Series([1.0, 2.0, 3.0])
    assert with_deviation(values) == "2.0 ± 1.0"
    assert with_deviation(values[:1], ".2f") == "1.00"
    assert with_deviation(pd.Series([None, None], dtype=float)) == "-"
    assert with_interval(values, ".1f", ".2f") == "2.0 ± 2.48"


def test_cells_stand_beside_the_papers():
    results = cells(**{"fedavg.learning_rate": [0.1, 0.001]})
    rows = table11.table(results).set_index("eta")
    assert list(rows.index) == ["0.1", "0.001"]
    assert rows.loc["0.1", "PSNR: paper"] == "119.3"
    assert rows.loc["0.1", "PSNR"] == "worse"
    assert rows.loc["0.001", "PSNR"] == "better"
    assert rows.loc["0.1", "ours "] == "3/4"


def test_full_batches_are_mini_batches_of_all():
    batches = {"fedavg.epochs": [5, 20], "fedavg.batch_size": [None, 5]}
    rows = table10.table(cells(**batches))
    assert rows[["E", "mini_batch"]].to_numpy().tolist() == [["5", "20"], ["20", "5"]]


def test_noise_is_given_in_units_of_the_gradient():
    results = cells(**{"defense.max_norm": [1.0, 1.0], "defense.noise_std": [0.0, 5e-5]})
    rows = table9.table(results)
    assert list(rows["sigma / |g|"]) == ["0", "0.5"]
    assert set(rows["ours "]) == {"3/4"}


def test_three_scales_of_the_noise():
    on_mean = cells(**{"defense.max_norm": [1.0, 1.0], "defense.noise_std": [0.0, 5e-5]})
    multiples = cells(**{"defense.max_norm": [1.0, 2.0], "defense.noise_multiplier": [1e-4, 1e-4]})
    results = pd.concat(
        [
            on_mean.assign(defense="dpsgd"),
            multiples.assign(defense="dpsgd_each"),
            multiples.assign(defense="dpsgd_opacus"),
        ]
    ).assign(batch_size=25, directions_near=25)
    rows = table9_scales.table(results)
    assert list(rows["sigma is"].unique()) == ["on the mean", "on each example", "on the sum"]
    assert list(rows["noise / |g|"]) == ["0", "0.5", "0.2", "0.4", "0.04", "0.08"]
    assert list(rows["PSNR: paper"][-2:]) == ["29.7", "28.7"]


def test_sampling_stands_beside_the_descent():
    results = cells(
        **{"defense.noise_multiplier": [5e-6] * 2, "attack": ["spear_noisy", "spear_irls"]}
    )
    rows = table9_sampling.table(results.assign(submatrices=[3e7] * 4 + [0] * 4))
    assert rows.loc[0, ["PSNR: paper", "sampling", "found by descent", "sampled"]].tolist() == [
        "42.0", "101.5", "3/4", "3.0e7",
    ]  # fmt: skip


def test_layers_and_data_sets_stand_beside_the_papers():
    exact = {"mae": 1e-8, "lpips": 1e-9, "exact": True}
    layers = cells(**{"attack.layer": [1, 2, 3, 4, 5]}).assign(**exact)
    rows = table4.table(layers).set_index("layer")
    assert rows.loc["5", ["accuracy: paper", "ours ", "time: paper"]].tolist() == [
        "83 %", "4/4", "70 min",
    ]  # fmt: skip
    rows = table3.table(cells(dataset=["mnist", "cifar10"]).assign(**exact)).set_index("data set")
    assert rows.loc["mnist", "PSNR: paper"] == "99.1 ± 13.2"
    assert rows.loc["mnist", "LPIPS: paper"] == "-"
    assert rows.loc["cifar10", "ours"] == "101.5 ± 2.1"
    assert list(rows.index) == ["mnist", "cifar10"]


def test_an_imagenet_row_says_its_resolution_and_its_folder():
    columns = {
        "dataset": ["imagenet", "imagenet", "cifar10"],
        "dataset.resolution": [224.0, 720.0, None],
        "dataset.folder": ["imagenet", "some-of-it", None],
    }
    rows = table3.table(cells(**columns).assign(lpips=1e-9, exact=True))
    assert list(rows["data set"]) == ["cifar10", "imagenet_224", "imagenet_720 (some-of-it)"]
    assert list(rows["batches"]) == ["4", "4", "4"]


def test_errors_are_better_where_they_are_smaller():
    quality = {"ssim": 1.0, "mse": 1e-9, "lpips": 1e-3, "exact": True}
    rows = table8.table(cells(dataset=["tiny_imagenet"]).assign(**quality)).set_index("metric")
    assert rows["verdict"].to_dict() == {
        "PSNR": "worse",
        "1 - SSIM": "better",
        "MSE": "better",
        "LPIPS": "worse",
        "accuracy": "equal",
    }
    assert rows.loc["1 - SSIM", "paper"] == "2.83e-04"
    assert rows.loc["accuracy", "ours"] == "4/4"


def test_table_2_has_a_row_for_each_method_with_its_verdicts():
    ours = cells(attack=["spear_irls", "tableak"]).assign(
        discrete_accuracy=[1.0] * 4 + [0.5, 0.6, 0.5, 0.6],
        continuous_mae=[0.0] * 4 + [5000.0, 4000.0, 6000.0, 5000.0],
        tabular_accuracy=[1.0] * 4 + [0.4] * 4,
    )
    rows = table2.table(ours).set_index("method")
    assert rows.loc["SPEAR", ["discrete", "MAE"]].tolist() == ["equal", "better"]
    assert rows.loc["TabLeak", ["discrete", "MAE"]].tolist() == ["worse", "equal"]
    assert rows.loc["TabLeak", "ours"].startswith("55.0 ±")
    assert rows.loc["TabLeak", "MAE: paper"] == "4,922.7"
    assert rows.loc["SPEAR", "time: paper"] == "24 s"
    assert [*table2.table(ours[ours["attack"] == "tableak"])["method"]] == ["TabLeak"]
