"""The paper, its method run again, and ours: which cell is which, and what a verdict says."""

from typing import Any

import pandas as pd
import pytest

from spear.analysis.paper import comparison
from spear.analysis.paper.columns import IMPROVED, REPRODUCED, THE_PAPER, WITH_RIVALS, bound
from spear.analysis.paper.comparison import mean, papers, share
from spear.analysis.paper.verdicts import batches_needed, of_mean, of_share
from spear.analysis.render import methods
from spear.analysis.render.methods import ALGORITHM_1, NOT_RUN, OURS
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
        recovered=[1.0, 1.0, 0.95, 0.5] * (len(frame) // 4),
        **({} if "attack" in frame else {"attack": "spear_irls"}),
    )


def at(rows: pd.DataFrame, measure: str, **keys: str) -> pd.Series:
    """The row of a measure and a cell."""
    for column, value in {"measure": measure, **keys}.items():
        rows = rows[rows[column] == value]
    (found,) = (row for _, row in rows.iterrows())
    return found


@pytest.mark.parametrize("table", ["table3", "table4", "table8", "table9", "table10", "table11"])
def test_the_papers_values_are_shares_and_decibels(table):
    values = papers(table)
    assert values["accuracy"].between(80, 100).all()
    small = ["lpips", "lpips_interval"]  # MNIST has none
    keys = ["C", "sigma"]  # nor has Table 9's row without noise
    assert values.drop(columns=[*small, *keys], errors="ignore").notna().all(axis=None)
    assert not values.duplicated(subset=values.columns[:3]).any()


@pytest.mark.parametrize(
    ("right", "n", "paper", "sign"),
    [
        (100, 100, 99, 0),
        (100, 100, 63, 1),
        (50, 100, 99, -1),
        (4, 4, 60, None),
        (4, 4, 30, 1),
        (100, 100, 100, 0),
        (0, 100, 0, 0),
    ],
)
def test_shares_are_compared_by_their_interval(right, n, paper, sign):
    assert of_share(right, n, paper) == sign


def test_four_batches_tell_nothing_about_sixty_per_cent():
    """A share of 60 % needs about 4 * 0.6 * 0.4 * (1.96 / 0.2)^2 = 92 batches, exact ones more."""
    assert 92 <= batches_needed(60) <= 105
    # Clopper and Pearson: n of n exclude all shares below the n-th root of 0.025
    assert batches_needed(100) == 17
    assert 0.025 ** (1 / 17) > 0.8 > 0.025 ** (1 / 16)


def test_means_are_compared_by_their_interval():
    psnr = pd.Series([99.0, 101.0] * 50)
    assert of_mean(psnr, 100.1) == 0
    assert of_mean(psnr, 99.0) == 1
    assert of_mean(psnr, 101.0) == -1
    assert of_mean(psnr, 101.0, paper_half=2.0) == 0
    assert of_mean(psnr[:1], 99.0) is None
    assert of_mean(pd.Series([20.0, 180.0, 60.0]), 97.8) is None  # an interval of 200 dB


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
    rows = table11.table(results)
    psnr = at(rows, "PSNR [dB]", eta="0.1")
    assert psnr[[THE_PAPER, ALGORITHM_1, REPRODUCED]].tolist() == ["119.3", NOT_RUN, ""]
    assert psnr[[OURS, IMPROVED, "batches"]].tolist() == ["101.5 ± 1.3", "worse", "4"]
    assert at(rows, "PSNR [dB]", eta="0.001")[IMPROVED] == "better"
    assert at(rows, "accuracy", eta="0.1")[OURS] == "3/4"
    assert at(rows, "PSNR [dB]", eta="0.01")[OURS] == NOT_RUN


def test_algorithm_1_has_a_column_and_a_verdict_of_its_own():
    attacks = ["spear_noisy", "spear_irls"]
    results = cells(attack=attacks).assign(
        **{"fedavg.learning_rate": 0.001, "batch": [0, 1, 2, 3] * 2}
    )
    results.loc[results["attack"] == "spear_noisy", "psnr"] = [85.0, 85.2, 85.4, 86.0]
    row = at(table11.table(results), "PSNR [dB]", eta="0.001")
    assert row[[ALGORITHM_1, REPRODUCED]].tolist() == ["85.4 ± 0.4", "yes"]
    assert row[[OURS, IMPROVED]].tolist() == ["101.5 ± 1.3", "better"]
    assert row["batches"] == "4 (noisy mode), 4"


def test_every_attack_is_algorithm_1_a_rival_or_ours():
    batches = pd.DataFrame({"attack": [*methods.SAMPLING, *methods.OWN, "geiping"], "batch": 0})
    assert not set(methods.SAMPLING) & set(methods.OWN)
    assert [each for each in batches["attack"] if methods.is_rival(each)] == ["geiping"]
    assert set(methods.ours(batches)["attack"]) <= {*methods.OWN}
    assert methods.name("spear_irls") == "descent (ours)"
    assert methods.name("spear") == "Algorithm 1, information sets"


def test_the_way_with_the_most_batches_counts_each_batch_once():
    def ran(attack: str, *batches: int) -> pd.DataFrame:
        return pd.DataFrame({"attack": attack, "batch": batches, "seed": 0})

    twice = pd.concat([ran("spear", 0, 1), ran("spear", 1, 2)])
    assert methods.again(twice)["batch"].tolist() == [0, 1, 2]
    more = methods.again(pd.concat([twice, ran("spear_paper", 0, 1)]))
    assert set(more["attack"]) == {"spear"}
    as_many = methods.again(pd.concat([twice, ran("spear_paper", 0, 1, 2)]))
    assert set(as_many["attack"]) == {"spear_paper"}
    assert methods.again(ran("spear_irls", 0)).empty


def test_times_stand_with_their_hardware():
    hardware = {"hardware.cpu": "A(R) Processor", "hardware.gpu": "A card", "hardware.threads": 1}
    on_both = cells(attack=["spear", "spear_irls"]).assign(**hardware, dataset="mnist", lpips=0.0)
    on_both["device"] = ["cuda"] * 4 + ["cpu"] * 4
    row = at(table3.table(on_both), "time", **{"data set": "mnist"})
    assert row[[THE_PAPER, ALGORITHM_1, OURS]].tolist() == [
        "2.6 min, GPU", "0.5 s, A card", "0.5 s, A, 1 thread",
    ]  # fmt: skip
    assert row[[REPRODUCED, IMPROVED]].tolist() == ["", ""]


def test_a_time_is_a_median_and_a_bound_a_mean_of_ours_alone():
    results = cells(**{"fedavg.learning_rate": [0.1]}).assign(
        seconds=[1.0, 2.0, 4.0, 90.0], psnr_bound=[100.0, 100.0, 100.0, 104.0]
    )
    assert comparison.seconds().value(results) == 3.0
    assert comparison.seconds().text(results).startswith("3 s")
    assert share("exact").value(results) == 75.0
    found = comparison.cells(
        "table11", results, table11.KEYS, {"psnr": mean("psnr"), "accuracy": share("exact")}
    )
    texts = {each.column: bound(each) for each in found if each.keys == {"eta": "0.1"}}
    assert texts == {"psnr": "101.0", "accuracy": ""}


def test_a_cell_of_ours_alone_has_no_value_of_the_papers():
    results = cells(**{"fedavg.learning_rate": [0.5]})
    more = pd.DataFrame({"eta": [0.5], "psnr": [99.0]})
    compared = {"psnr": mean("psnr")}
    *papers_own, ours = comparison.cells("table11", results, table11.KEYS, compared, more)
    assert [each.paper for each in papers_own] == [119.3, 103.9, 85.5]
    assert ours.keys == {"eta": "0.5"}
    assert pd.isna(ours.paper)
    assert (ours.paper_text, ours.improved) == ("-", "")


def test_full_batches_are_mini_batches_of_all():
    batches = {"fedavg.epochs": [5, 20], "fedavg.batch_size": [None, 5]}
    rows = table10.table(cells(**batches))
    ran = rows[(rows["measure"] == "PSNR [dB]") & (rows[OURS] != NOT_RUN)]
    assert ran[["E", "mini-batch"]].to_numpy().tolist() == [["5", "20"], ["20", "5"]]
    assert len(rows[rows["measure"] == "PSNR [dB]"]) == 6


def table_9() -> pd.DataFrame:
    """Batches of 25 at C = 1 in all readings of sigma, without noise and at sigma = 5e-5."""
    both = {"defense.max_norm": [1.0, 1.0]}
    on_mean = cells(**both, **{"defense.noise_std": [0.0, 5e-5]}).assign(defense="dpsgd")
    on_each = cells(**both, **{"defense.noise_multiplier": [0.0, 5e-5]}).assign(
        defense="dpsgd_each"
    )
    on_sum = on_each.assign(defense="dpsgd_opacus", psnr=0.0)
    return pd.concat([on_mean, on_each[on_each["defense.noise_multiplier"] > 0], on_sum]).assign(
        batch_size=25, directions_near=25
    )


def test_table_9_has_the_noise_on_each_example_and_one_reading_without_noise():
    rows = table9.table(table_9())
    ran = rows[rows["batches"] != ""]
    assert set(ran["batches"]) == {"4"}
    assert [*ran[ran["measure"] == "PSNR [dB]"]["noise / |g|"]] == ["0", "0.1"]
    accuracy = ran[ran["measure"] == "accuracy"]
    assert set(accuracy[OURS]) == {"4/4"}
    assert set(accuracy["20 dB everywhere"]) == {"2/4"}


def test_the_noise_of_table_9_is_no_other_reading():
    shared = table9.prepared(table_9())
    assert sorted(shared["sigma"].unique()) == [0.0, 5e-5]
    assert set(shared.loc[shared["sigma"] > 0, "defense"]) == {"dpsgd_each"}
    assert (shared["psnr"] > 0).all()


def test_gradient_matching_without_noise_is_table_9s_first_row():
    both = cells(attack=["spear_irls", "geiping_low_tv"]).assign(
        **{"defense.max_norm": [1.0] * 4 + [None] * 4, "defense.noise_std": [0.0] * 4 + [None] * 4},
        defense=["dpsgd"] * 4 + ["none"] * 4,
    )
    row = at(table9.table(both), "accuracy", method="Geiping et al.")
    assert row[[THE_PAPER, WITH_RIVALS, REPRODUCED, OURS]].tolist() == ["100 %", "2/4", "no", ""]


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
    assert list(rows["PSNR: the paper"][-2:]) == ["29.7", "28.7"]
    assert set(rows[f"PSNR: {ALGORITHM_1}"]) == {NOT_RUN}


def test_sampling_stands_beside_the_descent():
    results = cells(
        **{"defense.noise_multiplier": [5e-6] * 2, "attack": ["spear_noisy", "spear_irls"]}
    )
    rows = table9_sampling.table(results.assign(submatrices=[3e7] * 4 + [0] * 4))
    assert rows.loc[0, ["PSNR: the paper", "Algorithm 1", "found by descent (ours)"]].tolist() == [
        "42.0", "101.5", "3/4",
    ]  # fmt: skip
    assert rows.loc[0, "submatrices"] == "3.0e7"


def test_layers_and_data_sets_stand_beside_the_papers():
    exact = {"mae": 1e-8, "lpips": 1e-9, "exact": True}
    layers = cells(**{"attack.layer": [1, 2, 3, 4, 5]}).assign(**exact)
    rows = table4.table(layers)
    assert at(rows, "accuracy", layer="5")[[THE_PAPER, OURS]].tolist() == ["83 %", "4/4"]
    assert at(rows, "time", layer="5")[THE_PAPER] == "70 min, GPU"
    rows = table3.table(cells(dataset=["mnist", "cifar10"]).assign(**exact))
    assert at(rows, "PSNR [dB]", **{"data set": "mnist"})[THE_PAPER] == "99.1 ± 13.2"
    assert "mnist" not in [*rows[rows["measure"] == "LPIPS"]["data set"]]
    assert at(rows, "PSNR [dB]", **{"data set": "cifar10"})[OURS] == "101.5 ± 2.1"
    assert [*rows["data set"].unique()] == [*papers("table3")["dataset"]]


def test_an_imagenet_row_says_its_resolution_and_its_folder():
    columns = {
        "dataset": ["imagenet", "imagenet", "cifar10"],
        "dataset.resolution": [224.0, 720.0, None],
        "dataset.folder": ["imagenet", "some-of-it", None],
    }
    rows = table3.table(cells(**columns).assign(lpips=1e-9, exact=True))
    ran = rows[(rows["measure"] == "accuracy") & (rows["batches"] != "")]
    assert list(ran["data set"]) == ["cifar10", "imagenet_224", "imagenet_720"]
    assert list(ran["folder of images"]) == ["", "", "some-of-it"]
    assert list(ran["batches"]) == ["4", "4", "4"]


def test_errors_are_better_where_they_are_smaller():
    quality = {"ssim": 1.0, "mse": 1e-9, "lpips": 1e-3, "exact": True}
    rows = table8.table(cells(dataset=["tiny_imagenet"]).assign(**quality)).set_index("measure")
    assert rows[IMPROVED].to_dict() == {
        "PSNR [dB]": "worse",
        "1 - SSIM": "better",
        "MSE": "better",
        "LPIPS": "worse",
        "accuracy": "undecided",
    }
    assert rows.loc["1 - SSIM", THE_PAPER] == "2.83e-04"
    assert rows.loc["accuracy", OURS] == "4/4"


def test_table_2_has_rivals_beside_algorithm_1_and_ours():
    ours = cells(attack=["spear_irls", "tableak"]).assign(
        discrete_accuracy=[1.0] * 4 + [0.5, 0.6, 0.5, 0.6],
        continuous_mae=[0.0] * 4 + [5000.0, 4900.0, 5100.0, 5000.0],
        tabular_accuracy=[1.0] * 4 + [0.4] * 4,
    )
    rows = table2.table(ours)
    right, error = "categories right", "MAE of the numbers"
    of_spear = [at(rows, each, method="SPEAR")[IMPROVED] for each in (right, error)]
    assert of_spear == ["equal", "better"]
    rival = [at(rows, each, method="TabLeak") for each in (right, error)]
    assert [each[REPRODUCED] for each in rival] == ["no", "yes"]
    assert [each[OURS] for each in rival] == ["", ""]
    assert rival[0][WITH_RIVALS].startswith("55.0 ±")
    assert rival[1][THE_PAPER] == "4,922.7"
    assert at(rows, "time", method="SPEAR")[THE_PAPER] == "24 s, GPU"
    assert at(rows, "right", method="TabLeak")[[THE_PAPER, WITH_RIVALS]].tolist() == ["-", "40.0 %"]


def test_a_value_that_is_not_judged_has_no_verdict():
    measure = mean("psnr", judged=False)
    assert measure.sign is None
    assert measure.paper(1.0, 0.5) == "1.0 ± 0.5"
