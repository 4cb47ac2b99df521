"""Ours beside the paper's: which cell is which, and what a verdict says."""

from typing import Any

import pandas as pd
import pytest

from analysis.reproduction import accuracy_verdict, mean_verdict, papers
from analysis.tables import table3, table4, table9, table10, table11


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


@pytest.mark.parametrize("table", ["table3", "table4", "table9", "table10", "table11"])
def test_the_papers_values_are_shares_and_decibels(table):
    values = papers(table)
    assert values["accuracy"].between(80, 100).all()
    assert values.drop(columns="lpips", errors="ignore").notna().all(axis=None)
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


def test_layers_and_data_sets_stand_beside_the_papers():
    exact = {"mae": 1e-8, "lpips": 1e-9, "exact": True}
    layers = cells(**{"attack.layer": [1, 2, 3, 4, 5]}).assign(**exact)
    rows = table4.table(layers).set_index("layer")
    assert rows.loc["5", ["accuracy: paper", "ours ", "time: paper"]].tolist() == [
        "83 %", "4/4", "70 min",
    ]  # fmt: skip
    rows = table3.table(cells(dataset=["mnist", "cifar10"]).assign(**exact)).set_index("data set")
    assert rows.loc["mnist", "PSNR: paper"] == "99.1 ± 13.2"
    assert list(rows.index) == ["mnist", "cifar10"]
