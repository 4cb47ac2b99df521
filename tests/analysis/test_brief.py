"""Cells of the paper's tables in a few words, and what chooses them."""

import pandas as pd
import pytest

from spear.analysis.overview.cells import batches_in_brief, in_brief
from spear.analysis.overview.claims import in_words
from spear.analysis.paper.brief import brief
from spear.analysis.paper.comparison import Cell, mean, seconds, share
from spear.errors import ConfigError

MEASURES = {"psnr": mean("psnr"), "accuracy": share("exact"), "seconds": seconds()}
NONE = pd.DataFrame()


def batches(attack="spear", psnr=(100.0, 102.0), exact=(True, True), times=(1.0, 3.0), **more):
    columns = {"psnr": psnr, "exact": exact, "seconds": times, **more}
    return pd.DataFrame(columns).assign(
        attack=attack, device="cpu", threads=1, cpu="AMD EPYC", gpu=None
    )


def cell(column, paper, again=NONE, ours=NONE, **keys):
    return Cell(keys or {"b": "20"}, column, MEASURES[column], paper, 0.0, again, ours)


def test_one_cell_has_units_batches_and_the_way_of_algorithm_1():
    found = brief([cell("psnr", 97.8, batches(psnr=(100.0, 100.0)))])
    assert found.paper == "97.8 dB"
    assert found.again == "100.0 ± 0.0 dB; 2 batches; information sets"
    assert found.ours == ""


def test_a_share_counts_its_batches_itself():
    found = brief([cell("accuracy", 97.0, ours=batches("spear_irls", exact=(True, False)))])
    assert (found.paper, found.again, found.ours) == ("97 %", "- (not run)", "1/2")


def test_three_values_are_listed_with_their_unit_once():
    values = (119.3, 103.9, 85.5)
    shown = brief([cell("psnr", each, eta=f"{each}") for each in values])
    assert shown.paper == "119.3, 103.9, 85.5 dB"


def test_of_more_values_the_least_and_the_largest_are_shown():
    found = [cell("psnr", each, b=f"{each}") for each in (50.0, 9.0, 100.0, 20.0)]
    assert brief(found).paper == "9.0 to 100.0 dB"


def test_the_same_value_in_each_cell_is_told_once():
    found = [cell("accuracy", 100.0, b=f"{b}") for b in range(4)]
    assert brief(found).paper == "100 % each"


def test_cells_that_were_not_run_are_told():
    run = batches(psnr=(100.0, 101.0))
    found = [cell("psnr", 97.0, run, E="1"), cell("psnr", 98.0, E="5")]
    assert "; E = 1 alone; " in brief(found).again


def test_iterations_of_a_rival_are_told():
    rival = batches("geiping", **{"details.iterations": (1000, 1000)})
    found = brief([cell("psnr", 19.6, rival, method="geiping")])
    assert found.again.endswith("; 2 batches; 1,000 iterations")


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("table99 psnr", "'table99' is no table of the paper"),
        ("table3 colour dataset=mnist", "table3 has none of colour"),
        ("table3 psnr dataset=nix", "table3 has none of psnr with dataset=nix"),
        ("table3 psnr colour=red", "table3 has none of psnr with colour=red"),
    ],
)
def test_a_cell_that_does_not_exist_is_refused(named, message):
    with pytest.raises(ConfigError, match=message):
        in_brief(named)


@pytest.mark.parametrize(
    ("named", "message"),
    [("colour=red", "'colour' is no column"), ("batch_size=7", "has no batch with batch_size=7")],
)
def test_batches_that_do_not_exist_are_refused(named, message):
    with pytest.raises(ConfigError, match=message):
        batches_in_brief("exact_recovery_b100", named)


def test_batches_of_the_records_are_counted():
    exact, psnr, time = batches_in_brief("exact_recovery_b100", "batch_size=100").split("; ")
    assert exact == "20/20"
    assert psnr.endswith(" dB")
    assert time.endswith(" s (AMD EPYC, 1 thread)")


def test_verdicts_are_counted_in_words():
    rows = [
        ("table10", "E = 1", "yes", "better", 97.0),
        ("table2", "method = spear", "no", "worse", 1.0),
        ("table2", "method = tableak", "yes", "", 1.0),
        ("table4_trained", "layer = 5", "", "worse", float("nan")),
    ]
    columns = ["table", "cell", "reproduced", "ours", "again"]
    said = in_words(pd.DataFrame(rows, columns=columns))
    assert "intervals: 2 yes, 1 no." in said
    assert "2 worse, 1 better; the worse ones are in Tables 2 and 4 trained." in said
    assert "Of 3 values of SPEAR's, 1 have no record" in said
    assert said.endswith("the others are in Tables 2 and 10.")
