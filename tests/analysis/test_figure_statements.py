"""Statements on the paper's figures: their numbers by hand, and from the committed records."""

import pandas as pd
import pytest

from spear.analysis.records.store import RESULTS
from spear.analysis.render.rendering import load, results_of
from spear.analysis.statistics.statements import agreeing, beside_lemma, ratio_of_medians
from spear.analysis.tables import figure_statements
from spear.analysis.tables.figure_statements import (
    accuracy_at_the_limit,
    accuracy_in_training,
    law_of_the_wide_layer,
    narrow_over_wide,
    stage_two,
    submatrices_by_width,
)
from spear.inversion.sampling.lemmas import n_total_expected


def figure4(m: int, b: int, submatrices: list[float], exact: int | None = None) -> pd.DataFrame:
    right = len(submatrices) if exact is None else exact
    return pd.DataFrame(
        {
            "experiment": "figure4",
            "network.width": m,
            "batch_size": b,
            "submatrices": submatrices,
            "exact": [True] * right + [False] * (len(submatrices) - right),
        }
    )


def test_a_ratio_of_medians_and_its_interval():
    ratio = ratio_of_medians(pd.Series([30.0, 40.0, 500.0]), pd.Series([1.0, 2.0, 9.0]))
    assert ratio.value == 20
    assert 30 / 9 <= ratio.low < ratio.high <= 500
    constant = ratio_of_medians(pd.Series([20.0] * 9), pd.Series([2.0] * 9))
    assert str(constant) == "10.0 (10.0 to 10.0)"


def test_the_ratio_is_that_of_the_largest_common_batch():
    narrow = [figure4(200, 8, [10.0] * 5), figure4(200, 12, [40.0] * 5)]
    wide = [figure4(2000, 12, [2.0] * 5), figure4(2000, 16, [9.0] * 5)]
    found = narrow_over_wide(pd.concat(narrow + wide))
    assert found[2:] == ("20.0 (20.0 to 20.0) at b = 12", "yes")
    assert narrow_over_wide(pd.concat([narrow[1], figure4(2000, 12, [4.0] * 5)]))[3] == "no"


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "yes"), (2.5, "no")])
def test_the_wide_layer_beside_its_law(factor, verdict):
    law = n_total_expected(10, per_draw=10)
    found = law_of_the_wide_layer(figure4(2000, 10, [factor * law] * 3))
    assert found[2].startswith(f"median {factor:.2f} to {factor:.2f} times")
    assert f"{factor * law / n_total_expected(10):.2f} times Lemma 5.2 at b = 10" in found[2]
    assert found[3] == verdict


@pytest.mark.parametrize(
    ("n", "right", "verdict"), [(100, 63, "yes"), (100, 90, "no"), (8, 5, "in part")]
)
def test_the_limit_of_the_narrow_layer(n, right, verdict):
    found = accuracy_at_the_limit(figure4(200, 24, [1.0] * n, right))
    assert found[1:] == ("63 %", f"{right}/{n}", verdict)


def test_a_limit_that_was_not_run_says_so():
    found = accuracy_at_the_limit(figure4(200, 20, [1.0] * 4, 3))
    assert found[2:] == ("not run; 3/4 at b = 20", "not run")


def test_stage_two_must_gain_more_at_a_larger_b():
    rows = [
        {"experiment": "figure6", "batch_size": b, "attack.swaps": swaps, "exact": exact}
        for b, swaps, exact in [
            (4, True, True), (4, False, True), (8, True, True), (8, False, False),
        ]
    ]  # fmt: skip
    assert stage_two(pd.DataFrame(rows))[2:] == ("gain of 0 to 100 points over b = 4 to 8", "yes")
    assert stage_two(pd.DataFrame(rows[:2]))[3] == "no"


def test_wider_layers_must_take_less():
    falling = pd.concat([figure4(200, 20, [9.0]), figure4(400, 20, [4.0])])
    falling = falling.assign(experiment="figure5_width_sampling")
    assert submatrices_by_width(falling)[3] == "yes"
    assert submatrices_by_width(falling.assign(submatrices=[4.0, 9.0]))[3] == "no"


@pytest.mark.parametrize(("least", "verdict"), [(True, "yes"), (False, "no")])
def test_a_drop_of_more_than_20_points_is_not_slight(least, verdict):
    rows = [(0, True), (600, least), (1000, True), (5000, False)]
    found = pd.DataFrame(rows, columns=["network.steps", "exact"]).assign(
        experiment="figure7_sampling", **{"dataset.split": "test"}
    )
    assert accuracy_in_training(found)[3] == verdict


def test_cells_beside_the_lemma():
    failed = pd.DataFrame({"share": [0.5, 0.9, 0.1], "low": [0.4, 0.8, 0.0], "high": [0.6, 1, 0.2]})
    assert beside_lemma(failed, [0.55, 0.7, 0.5], [0.3, 0.3, 0.3]) == {
        "between": 1, "above": 1, "below": 1,
    }  # fmt: skip


def test_intervals_that_share_a_value_agree():
    assert agreeing(pd.DataFrame({"low": [0.1, 0.3], "high": [0.4, 0.9]}))
    assert not agreeing(pd.DataFrame({"low": [0.1, 0.5], "high": [0.4, 0.9]}))


@pytest.mark.slow
def test_the_statements_have_the_numbers_of_the_records():
    found = figure_statements.table(results_of(figure_statements, RESULTS))
    text = found.set_index("statement")["run here"]
    figure4 = load(("figure4_b18_to_b24",), RESULTS)
    medians = figure4[figure4["batch_size"] == 20].groupby("network.width")["submatrices"].median()
    ratio = text["submatrices at m = 200 over those at m = 2000"]
    assert ratio.startswith(f"{medians[200] / medians[2000]:.1f} (")
    training = load(("figure7_sampling",), RESULTS)
    least = training.groupby("network.steps")["exact"].mean()[:-1].min()
    assert text["accuracy drops slightly around 1,000 steps of training"].startswith(
        f"{least:.0%}"[:-1]
    )
    assert set(found["figure"]) == {"4", "5", "6", "7", "8"}
