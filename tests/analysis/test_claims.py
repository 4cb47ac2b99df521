"""The committed results against the paper, without computing anything."""

import pandas as pd
import pytest

from spear.analysis.overview import commands
from spear.analysis.overview.claims import (
    KEY,
    claims,
    compared_tables,
    deviations,
    shown,
    unexplained,
    with_reasons,
)
from spear.analysis.paper.comparison import PAPER, comparisons, mean, papers, share
from spear.analysis.records.store import RESULTS
from spear.analysis.render.methods import NOT_RUN


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    return claims(RESULTS)


@pytest.mark.slow
def test_every_value_of_the_papers_tables_is_there(found):
    keys = [
        "method",
        "pixels",
        "dataset",
        "layer",
        "b",
        "m",
        "C",
        "sigma",
        "E",
        "mini_batch",
        "eta",
    ]
    for path in PAPER.glob("table*.csv"):
        values = papers(path.stem).drop(columns=keys, errors="ignore")
        values = values[[name for name in values if not name.endswith("_interval")]]
        assert (found["table"] == path.stem).sum() == values.notna().to_numpy().sum(), path.stem
    assert len(found) == 136


@pytest.mark.slow
def test_ours_is_in_every_cell_of_spears_but_algorithm_1_may_not_be_run(found):
    rivals = found["cell"].str.contains("method = ") & ~found["cell"].str.contains("= spear")
    assert (found[~rivals]["batches_ours"] > 0).all()
    assert (found[rivals]["batches_ours"] == 0).all()
    assert (found["again_text"] == NOT_RUN).equals(found["batches_again"] == 0)
    assert not found[(found["batches_again"] == 0)]["reproduced"].any()


@pytest.mark.slow
def test_times_have_their_hardware_and_no_verdict(found):
    times = found[found["measure"] == "seconds"]
    assert len(times) == 16
    assert not times[["reproduced", "ours"]].to_numpy().any()
    measured = times.loc[times["batches_ours"] > 0, "ours_text"]
    assert measured.str.contains("Xeon|EPYC").all()


@pytest.mark.slow
def test_every_cell_has_the_papers_hundred_batches(found):
    fewer = found[(found["batches_ours"] > 0) & (found["batches_ours"] < 100)]
    # Tables 1 and 2 do not say how many, and gradient matching makes few of Tables 5 and 6.
    assert set(fewer["table"]) <= {"table1", "table2", "table3", "table5", "table6"}
    assert set(fewer[fewer["table"] == "table3"]["cell"]) <= {"dataset = imagenet_720"}


@pytest.mark.slow
def test_a_reason_is_given_exactly_where_one_is_due(found):
    assert unexplained(found).empty
    reasons = deviations()
    given = found.merge(reasons, on=KEY)
    assert len(given) == len(reasons), "a reason is about no value"
    due = {"ours": "worse", "reproduced": "no"}
    for _, row in given[given["verdict"].isin(due)].iterrows():
        assert row[row["verdict"]] == due[row["verdict"]], tuple(row[KEY])
    assert reasons["why"].str.len().gt(20).all()


@pytest.mark.slow
def test_numbers_of_a_reason_are_those_of_the_records(found):
    reasons = with_reasons(found).set_index(KEY)
    row = reasons.loc["table9", "method = spear, C = 1.75, sigma = 5e-05", "accuracy"]
    right, n = map(int, row["ours_text"].split("/"))
    assert row["why"].startswith(f"{n - right} of the batches")
    assert "{" not in "".join(reasons["why"])


def test_a_table_without_results_is_not_compared(tmp_path):
    assert compared_tables(tmp_path) == {}
    (tmp_path / "table11").mkdir()
    assert [*compared_tables(tmp_path)] == ["table11"]


def test_a_worse_cell_is_seen():
    """A table in which one of three cells is worse, by its mean and by its share."""
    paper = papers("table11")
    ours = pd.DataFrame(
        {
            "attack": "spear_irls",
            "fedavg.learning_rate": paper["eta"].repeat(50),
            "psnr": [100.0, 104.0] * 75,
            "exact": ([True] * 50 + [False] * 50 + [True] * 50),
        }
    )
    compared = {"psnr": mean("psnr"), "accuracy": share("exact")}
    rows = comparisons("table11", ours, {"eta": "fedavg.learning_rate"}, compared)
    verdicts = rows.set_index(["cell", "measure"])["ours"]
    assert verdicts["eta = 0.1", "psnr"] == "worse"
    assert verdicts["eta = 0.001", "psnr"] == "better"
    assert verdicts["eta = 0.01", "accuracy"] == "worse"
    assert verdicts["eta = 0.001", "accuracy"] == "equal"


def test_small_errors_are_better():
    paper = papers("table4")
    ours = pd.DataFrame({"attack.layer": paper["layer"], "mae": [1e-7, 1.0, 1e-7, 1e-7, 1e-7]})
    ours = pd.concat([ours] * 3).assign(attack="spear_irls")
    rows = comparisons(
        "table4", ours, {"layer": "attack.layer"}, {"mae": mean("mae", higher_is_better=False)}
    )
    assert rows["ours"].tolist() == ["better", "worse", "better", "better", "better"]


def test_a_verdict_without_a_reason_is_found_and_what_is_undecided_says_what_it_takes():
    """Table 11, of which no deviation is known."""
    four = pd.DataFrame(
        {
            "attack": ["spear"] * 4 + ["spear_irls"] * 4,
            "fedavg.learning_rate": 0.1,
            "psnr": [80.0, 81.0, 82.0, 83.0] * 2,
            "exact": True,
        }
    )
    compared = {"psnr": mean("psnr"), "accuracy": share("exact")}
    rows = comparisons("table11", four, {"eta": "fedavg.learning_rate"}, compared)
    assert unexplained(rows).to_numpy().tolist() == [
        ["table11", "eta = 0.1", "psnr", "reproduced"],
        ["table11", "eta = 0.1", "psnr", "ours"],
    ]
    text = shown(with_reasons(rows))
    assert text["ours"].tolist() == ["worse", "undecided", "", "", "", ""]
    assert text["why"].tolist()[1] == "95 % within 20 points takes 26 batches"
    assert text["batches"].tolist()[:3] == ["4 (information sets)"] * 2 + ["-"]


def test_without_any_results_there_is_nothing_to_compare(tmp_path):
    with pytest.raises(FileNotFoundError, match="no results of any of the paper's tables in"):
        claims(tmp_path)


@pytest.mark.slow
def test_the_command_says_how_many_deviate(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # by the results that come with the package
    with pytest.raises(SystemExit) as stop:
        commands.claims([])
    assert stop.value.code == 0
    assert "; 0 without a reason." in capsys.readouterr().err
