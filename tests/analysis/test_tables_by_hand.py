"""Tables and numbers of figures from a few batches each, of cases that no record has."""

import math

import numpy as np
import pandas as pd
import pytest

import spear.analysis.tables
from spear.analysis.figures import defense_search
from spear.analysis.render.language import percent
from spear.analysis.render.packages import modules
from spear.analysis.statistics.extrapolation import times
from spear.analysis.tables import (
    enough_pruning,
    exact_recovery,
    gifd,
    label_recovery,
    label_recovery_analytic,
    label_recovery_batches,
    peeling,
    row_cascade,
    table4_trained,
)


def frame(rows: list[dict[str, object]], **same: object) -> pd.DataFrame:
    return pd.DataFrame([same | row for row in rows])


def labelled(**columns: object) -> pd.DataFrame:
    """Three batches with labels, of errors 0, 0.1 and 0.5, and one that failed without any."""
    rows = [
        {"labels_exact": exact, "label_accuracy": right, "label_l1": l1, "label_l2": l1 / 2}
        for exact, right, l1 in ((1.0, 1.0, 0.0), (0.5, 0.75, 0.1), (0.0, 0.5, 0.5))
    ]
    rows.append(dict.fromkeys(rows[0], np.nan))
    more = [{"seconds": s, "psnr": p} for s, p in ((1, 90.0), (2, 60.0), (3, 30.0), (50, 20.0))]
    return frame(
        [a | b for a, b in zip(rows, more, strict=True)],
        **({"dataset": "cifar10", "augmentation": "mixup"} | columns),
    )


def test_labels_of_a_failed_batch_have_the_largest_error():
    cell = labelled(batch_size=8).assign(**{"details.condition": [10.0, 20.0, 90.0, 900.0]})
    (row,) = label_recovery_batches.table(cell).to_dict("records")
    assert row == {
        "data": "CIFAR-10", "labels": "mixed", "b": "8", "exact": "1/4", "class": "56%",
        "L1": "4.0e-01", "largest": "1.0e+00", "condition": "55", "seconds": "2.5 s",
    }  # fmt: skip
    (row,) = label_recovery_batches.table(cell[:3]).to_dict("records")
    assert (row["largest"], row["condition"]) == ("5.0e-01", "20")


def test_ours_and_idlg_have_columns_of_their_own():
    network = {"network": "lenet", "network.bias": True}
    ours = labelled(attack="label_recovery", **network)[:2]
    signs = labelled(attack="idlg", **network)[1:]
    (row,) = label_recovery.table(pd.concat([ours, signs])).to_dict("records")
    assert row == {
        "data": "CIFAR-10", "network": "convolutional", "bias": "yes", "labels": "mixed",
        "class": "88%", "exact": "1/2", "L1": "5.0e-02", "L2": "2.5e-02", "seconds": "1.5 s",
        "iDLG: class": "42%", "exact ": "0/3", "L1 ": "5.3e-01",
    }  # fmt: skip


def test_the_lowest_psnr_of_single_samples_is_shown():
    (row,) = label_recovery_analytic.table(labelled()).to_dict("records")
    # the deviation of 90, 60, 30, 20 is sqrt((40^2 + 10^2 + 20^2 + 30^2) / 3)
    assert row == {
        "data": "CIFAR-10", "labels": "mixed", "exact": "1/4", "PSNR": "50.0 ± 31.6",
        "lowest": "20.0", "seconds": "2.5 s",
    }  # fmt: skip


def searched(recovered: dict[float, list[float]], medians: list[float]) -> pd.DataFrame:
    rows = [
        {"defense.noise_std": noise, "recovered": each, "psnr": 20.0 + k, "psnr_bound": 30.0 + k**2}
        for noise, shares in recovered.items()
        for k, each in enumerate(shares)
    ]
    return frame(rows, **{"objective.at_most": 0.05}).assign(gradient_median=medians)


def test_the_least_noise_that_stops_the_attack_is_told_in_medians_of_the_gradient():
    """0.05 itself stops it; |g| is the median of 1, 1, 1, 1, 2, 10 thousandths."""
    shares = {1e-3: [0.2, 0.0], 2e-3: [0.1, 0.0], 4e-3: [0.0, 0.0]}
    results = searched(shares, [1e-3, 1e-3, 1e-3, 1e-3, 2e-3, 10e-3])
    assert defense_search.smallest(results) == pytest.approx((2e-3, 2.0))
    never = searched({1e-3: [0.2, 0.0], 2e-3: [0.2, 0.0]}, [1e-3] * 4)
    assert all(math.isnan(each) for each in defense_search.smallest(never))


def test_the_search_is_drawn_with_intervals_that_end_at_zero_and_one():
    results = searched({1e-3: [0.8, 1.0], 2e-3: [0.0, 0.1], 4e-3: [0.0, 0.0]}, [1e-3] * 6)
    share, psnr = defense_search.draw(results).axes
    assert share.get_xscale() == psnr.get_xscale() == "log"
    bars = share.containers[0].lines[2][0].get_segments()
    # half of the interval of 0.8 and 1.0 is 12.7 * 0.1
    assert [each[:, 1].tolist() for each in bars] == [
        [0.0, 1.0],
        [0.0, pytest.approx(0.685, abs=1e-3)],
        [0.0, 0.0],
    ]
    level = next(line for line in share.lines if line.get_linestyle() == ":")
    assert [*level.get_ydata()] == [0.05, 0.05]
    squares = next(line for line in psnr.lines if line.get_linestyle() == "--")
    assert [*squares.get_ydata()] == [30.5] * 3
    assert share.get_xlabel().startswith("noise $\\sigma$ (3 trials, ")
    assert [text.get_text() for text in psnr.texts] == ["n = 2 batches per trial"]
    assert (share.get_ylabel(), psnr.get_ylabel()) == (
        "share of images with 20 dB or more", "PSNR [dB]",
    )  # fmt: skip


def peeled(exact: list[bool]) -> pd.DataFrame:
    rows = [
        {"attack": attack, "exact": found, "psnr": 100.0, "seconds": factor * s}
        for attack, factor in (("spear_irls", 3.0), ("spear_peeling", 1.0))
        for found, s in zip(exact, (1.0, 2.0, 9.0, 9.0), strict=True)
    ]
    return frame(rows, **{"network.width": 200, "batch_size": 30})


@pytest.mark.parametrize(
    ("exact", "ratio"),
    [([True, True, False, False], "> 3 x"), ([True, True, True, False], "3 x")],
)
def test_a_descent_that_finds_half_at_most_gives_a_lower_bound_alone(exact, ratio):
    (row,) = peeling.table(peeled(exact)).to_dict("records")
    assert (row["m"], row["b"], row["m/b"], row["ratio"]) == ("200", "30", "6.7", ratio)
    assert row["peeling (ours): seconds"] == "5.5 s (1.3 s to 9 s)"
    assert row["peeling (ours): exact"] == f"{sum(exact)}/4"


def test_where_one_search_was_not_run_there_is_no_ratio():
    one = peeled([True] * 4).query("attack == 'spear_peeling'").assign(batch_size=40)
    table = peeling.table(pd.concat([peeled([True] * 4), one]))
    assert table["ratio"].tolist() == ["3 x", ""]
    assert table["descent (ours): seconds"].tolist()[1] == ""


def test_a_sampler_that_finishes_half_of_the_batches_is_extrapolated_and_more_is_not():
    """At b = 4 a draw meets a direction 8 / 5 times; 1600 submatrices at 2 s each are 2000 s."""
    for finished, seconds, extrapolated in ((2, 2000.0, True), (3, 20.0, False)):
        own = [{"exact": k < finished, "seconds": 20.0, "submatrices": 10} for k in range(4)]
        rows = frame(own, attack="spear_svd").to_dict("records")
        rows += [{"attack": "spear", "exact": True, "seconds": 1.0, "submatrices": 1600}] * 4
        table = times(frame(rows, batch_size=4)).set_index("attack").loc["spear_svd"]
        assert table["median"] == pytest.approx(seconds)
        assert table["extrapolated"] == extrapolated
        assert (table["n"], table["n_exact"]) == (4, finished)


def test_ends_of_times_are_the_10th_and_90th_percentile():
    rows = frame([{"seconds": float(k)} for k in range(11)], attack="spear", batch_size=4)
    table = times(rows.assign(exact=True, submatrices=1)).iloc[0]
    assert (table["low"], table["median"], table["high"]) == (1.0, 5.0, 9.0)


def test_without_a_measured_svd_there_is_no_ratio_to_it():
    rows = [
        {"exact": k != 1, "sparsity_matching": 1.0 - 0.1 * (k == 2), "psnr": 100.0 + k,
         "seconds": 1.0 + k, "details.svd_ratio": ratio}
        for k, ratio in enumerate((5.0, 6.0, 70.0))
    ]  # fmt: skip
    sizes = {"network.width": 200, "batch_size": 20, "dataset": "cifar10"}
    cell = frame(rows, attack="spear_irls_beside_svd", **sizes, **{"dataset.normalize": True})
    (row,) = exact_recovery.table(cell).to_dict("records")
    assert row["search"] == "descent (ours)"
    assert (row["exact"], row["x SVD"]) == ("1/3", "6")
    assert row["seconds"] == "2 s (1.2 s to 2.8 s)"
    (row,) = exact_recovery.table(cell.assign(**{"details.svd_ratio": np.nan})).to_dict("records")
    assert row["x SVD"] == ""


def test_pruning_without_a_completion_has_no_columns_of_it():
    rows = [{"exact": k < 1, "recovered": 0.25 * k, "psnr": 30.0} for k in range(3)]
    cell = frame(rows, attack="spear", batch_size=4, **{"defense.share": 0.9})
    (row,) = enough_pruning.table(cell).to_dict("records")
    assert row == {
        "b": "4", "pruned": "90%", "completed (ours)": "-", "descent (ours)": "-",
        "Algorithm 1": "25% (1/3)",
    }  # fmt: skip
    own = cell.assign(attack="spear_pruned", seconds=[1.0, 2.0, 9.0])
    own = own.assign(**{"details.open": [1000.0, 2000.0, 9000.0]})
    (row,) = enough_pruning.table(own).to_dict("records")
    assert (row["entries open"], row["seconds"], row["batches"]) == ("2,000", "2 s", "3")


@pytest.mark.parametrize(
    ("shares", "text"),
    [([1.0, 1.0], "100"), ([1.0, 0.9999], "99.9"), ([0.99, 0.99], "99"), ([0.992, 0.992], "99.2"),
     ([0.5, 0.25], "38"), ([0.0, 0.0], "0")],
)  # fmt: skip
def test_a_share_of_text_is_never_rounded_up_to_all(shares, text):
    assert percent(pd.Series(shares)) == text


def test_the_lead_over_an_attack_has_the_sign_of_gifds_less_the_others():
    """Of LPIPS the smaller is better: a lead is below 0, and its interval is in order."""
    gained = pd.Series([20.0, 21.0, 22.0, 24.0, 23.5, 20.5])
    lost = pd.Series([10.0, 12.0, 11.0, 12.0, 11.5, 9.5])
    text = gifd._lead(gained, lost, ".1f", 1)
    assert text.startswith("+10.8 [+")
    assert text.endswith("], 6/6, p = 0.03")
    text = gifd._lead(lost / 100, gained / 100, ".3f", -1)
    assert text.startswith("-0.108 [-")
    low, high = map(float, text.partition("[")[2].partition("]")[0].split(", "))
    assert low < -0.108 < high < 0
    assert text.endswith("], 6/6, p = 0.03")
    assert gifd._lead(gained, gained, ".1f", 1) == ""
    assert gifd._lead(gained, gained * np.nan, ".1f", 1) == ""


def test_stages_are_counted():
    assert gifd._stages(pd.DataFrame({"details.stage": [1.0, 0.0, 1.0]})) == "0: 1, 1: 2"
    assert gifd._stages(pd.DataFrame({"details.stage": [np.nan]})) == ""
    assert gifd._stages(pd.DataFrame({"psnr": [1.0]})) == ""


MEASURED = {
    f"{name}, {column}": measure
    for name, module in modules(spear.analysis.tables).items()
    for column, measure in getattr(module, "COMPARED", {}).items()
}
"""What the tables compare with the paper's values."""

MOST_DIFFERENT = [0.001, 0.001, 0.003, 0.045]  # mean 0.0125, median 0.002, least 0.001


@pytest.mark.parametrize("name", MEASURED)
def test_the_value_that_is_compared_is_the_one_that_is_shown(name):
    """Of batches whose mean, median, least and largest value are all different."""
    names = ("psnr", "lpips", "mae", "mse", "ssim", "continuous_mae", "discrete_percent",
             "right_percent", "feature_similarity")  # fmt: skip
    flags = {key: [True, False, False, False] for key in ("exact", "near", "in_a_minute")}
    scaled = [1000 * each for each in MOST_DIFFERENT]
    batches = pd.DataFrame(
        dict.fromkeys(names, scaled) | flags | {"seconds": scaled, "attack": "spear_irls"}
    ).assign(**{"device": "cpu", "hardware.cpu": "A processor", "hardware.threads": 1})
    measure = MEASURED[name]
    shown = measure.text(batches).replace(",", "")
    value = measure.value(batches)
    column = name.split(", ")[1]
    if "/" in shown:
        right, n = map(int, shown.split("/"))
        assert value == 100 * right / n == 25.0
    else:
        expected = {"seconds": 2.0, "slowest": 45.0, "ssim": -11.5}.get(column, 12.5)
        assert float(shown.split()[0]) == pytest.approx(expected, rel=0.06)
        assert value == pytest.approx(12.5 if column == "ssim" else expected)


@pytest.mark.parametrize("name", MEASURED)
def test_a_verdict_has_the_sign_of_what_is_better(name):
    measure, column = MEASURED[name], name.split(", ")[1]
    if measure.sign is None:
        assert column in ("seconds", "slowest", "in_a_minute", "lpips", "mae")
        return
    worse_if_larger = column in ("lpips", "mse", "mae", "continuous_mae")
    for value, paper, larger in ((60.0, 40.0, True), (40.0, 60.0, False)):
        own = measure.column or "exact"
        batches = pd.DataFrame({own: [value] * 5})
        if not measure.column:
            batches = pd.DataFrame(dict.fromkeys(("exact", "near", "in_a_minute"), [larger] * 40))
        assert measure.sign(batches, paper, 0.0) == (1 if larger != worse_if_larger else -1)


def test_a_minute_itself_is_not_less_than_a_minute():
    seconds = pd.DataFrame({"seconds": [59.9, 60.0, 60.1]})
    assert table4_trained.prepared(seconds)["in_a_minute"].tolist() == [True, False, False]


def test_the_row_cascade_stands_beside_the_search_without_it():
    rows = [
        {"attack/settings": settings, "exact": found, "psnr": psnr, "seconds": s}
        for settings, found, psnr, s in (
            ("full", True, 140.0, 1.0), ("full", True, 138.0, 3.0),
            ("no_cascade", False, 13.0, 30.0), ("no_cascade", True, 139.0, 20.0),
        )
    ]  # fmt: skip
    results = frame(rows, **{"network.width": 1000, "batch_size": 150})
    (row,) = row_cascade.table(results).to_dict("records")
    assert (row["b"], row["m/b"]) == ("150", "6.7")
    assert (row["with it: exact"], row["without: exact"]) == ("2/2", "1/2")
    assert row["with it: seconds"].startswith("2 s")
