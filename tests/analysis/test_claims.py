"""The committed results against the paper, without computing anything."""

import pandas as pd
import pytest

from spear.analysis.overview.claims import KEY, claims, compared_tables, deviations, main
from spear.analysis.paper.comparison import comparisons, mean, papers, share
from spear.analysis.records.store import RESULTS

NOT_RUN = {"table1": 2}
"""Values that need a GPU: CI-Net at 256 pixels, on either network."""


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    return claims(RESULTS)


@pytest.mark.slow
def test_every_value_of_the_papers_tables_is_compared(found):
    for name, module in compared_tables(RESULTS).items():
        rows = found[found["table"] == name]
        values = papers(name)[list(module.COMPARED)].notna()
        assert len(rows) == values.to_numpy().sum() - NOT_RUN.get(name, 0), name


@pytest.mark.slow
def test_every_cell_has_the_papers_hundred_batches(found):
    fewer = found[found["batches"] < 100]
    # Tables 1 and 2 do not say how many, and gradient matching makes few of Table 5.
    assert set(fewer["table"]) <= {"table1", "table2", "table3", "table5"}
    assert set(fewer[fewer["table"] == "table3"]["cell"]) <= {"dataset = imagenet_720"}


@pytest.mark.slow
def test_ours_is_worse_exactly_where_a_reason_is_given(found):
    worse = found[found["verdict"] == "worse"]
    explained = deviations()
    assert set(map(tuple, worse[KEY].to_numpy())) == set(map(tuple, explained[KEY].to_numpy()))
    assert explained["why"].str.len().gt(20).all()


def test_a_table_without_results_is_not_compared(tmp_path):
    assert compared_tables(tmp_path) == {}
    (tmp_path / "table11").mkdir()
    assert [*compared_tables(tmp_path)] == ["table11"]


def test_a_worse_cell_is_seen():
    """A table in which one of three cells is worse, by its mean and by its share."""
    paper = papers("table11")
    ours = pd.DataFrame(
        {
            "fedavg.learning_rate": paper["eta"].repeat(50),
            "psnr": [100.0, 104.0] * 75,
            "exact": ([True] * 50 + [False] * 50 + [True] * 50),
        }
    )
    compared = {"psnr": mean("psnr"), "accuracy": share("exact")}
    rows = comparisons("table11", ours, {"eta": "fedavg.learning_rate"}, compared)
    verdicts = rows.set_index(["cell", "measure"])["verdict"]
    assert verdicts["eta = 0.1", "psnr"] == "worse"
    assert verdicts["eta = 0.001", "psnr"] == "better"
    assert verdicts["eta = 0.01", "accuracy"] == "worse"
    assert verdicts["eta = 0.001", "accuracy"] == "equal"


def test_small_errors_are_better():
    paper = papers("table4")
    ours = pd.DataFrame({"attack.layer": paper["layer"], "mae": [1e-7, 1.0, 1e-7, 1e-7, 1e-7]})
    ours = pd.concat([ours] * 3)
    rows = comparisons(
        "table4", ours, {"layer": "attack.layer"}, {"mae": mean("mae", higher_is_better=False)}
    )
    assert rows["verdict"].tolist() == ["better", "worse", "better", "better", "better"]


def test_without_any_results_there_is_nothing_to_compare(tmp_path):
    with pytest.raises(FileNotFoundError, match="no results of any of the paper's tables in"):
        claims(tmp_path)


@pytest.mark.slow
def test_the_command_says_how_many_deviate(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # by the results that come with the package
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 0
    assert "0 worse without a reason" in capsys.readouterr().err
