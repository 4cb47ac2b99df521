"""Tables, figure and leaderboard of exact rivals, of batches made for the purpose."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from spear.analysis.figures import rivals_wide as figure
from spear.analysis.overview import leaderboard
from spear.analysis.overview.leaderboard import EXPERIMENTS, board, page, submitted
from spear.analysis.statistics.rivals import PUBLISHED, published
from spear.analysis.tables import rivals, rivals_wide
from spear.errors import ConfigError
from spear.experiments.config.experiments import experiments
from spear.experiments.config.threat import GIVEN


def batches(attack: str, b: int, within: list[float], **more: object) -> pd.DataFrame:
    """A batch for each share of samples; it is exact if that is 1."""
    return pd.DataFrame(
        {
            "attack": attack,
            "batch_size": b,
            "batch": range(len(within)),
            "within": within,
            "exact": [each == 1 for each in within],
            "seconds": [2.0 + k for k in range(len(within))],
            "dataset": "cifar10",
            "dataset.normalize": False,
            "network": "one_hidden_layer",
            "network.width": 1000,
            "network.deviation": 0.5,
            "hardware.cpu": "A processor",
            "hardware.threads": 1,
            "device": "cpu",
            "git_sha": "0123456789",
        }
        | more
    )


FOUND = pd.concat(
    [
        batches("spear_irls", 64, [1.0, 1.0]),
        batches("spear_irls", 128, [1.0, 0.25]),
        batches("lt_peeling", 64, [1.0, 0.5]),
        batches("lt_peeling", 512, [0.0]),
        batches("lt_peeling", 64, [0.25], dataset="tiny_imagenet"),
    ]
)


def test_the_published_shares_stand_beside_those_of_the_records():
    table = rivals.table(FOUND).set_index(["data set", "b"])
    row = table.loc[("cifar10", "64")]
    assert row["published"] == "99.4 %"
    assert row["descent (ours)"] == "100.0 %, 2/2, 2.5 s"
    assert row["LT-code peeling"] == "75.0 %, 1/2, 2.5 s"
    assert table.loc[("cifar10", "128"), "LT-code peeling"] == ""
    assert table.loc[("cifar10", "512"), "published"] == ""
    assert table.loc[("tiny_imagenet", "64"), "published"] == "99.7 %"


def test_published_shares_are_those_of_the_paper():
    """Sums over the data sets of its table, at B = 64, 128 and 256."""
    sums = [sum(each[b] for each in PUBLISHED.values()) for b in (64, 128, 256)]
    assert sums == pytest.approx([7.106, 4.727, 1.075])
    assert len(PUBLISHED) == 8
    assert published("digits", 64) is None


def test_a_row_for_each_kind_of_inputs():
    normalised = batches("dictionary_learning", 5, [0.4], **{"dataset.normalize": True})
    table = rivals_wide.table(pd.concat([FOUND, normalised])).set_index(["inputs", "b"])
    row = table.loc[("normalised", "5")]
    assert row["dictionary learning, l4"] == "40.0 %, 0/1, 2 s"
    assert row["descent (ours)"] == ""
    assert table.loc[("pixels in [0, 1]", "64"), "m/b"] == "15.6"


def test_the_figure_draws_each_attack_and_marks_batches_that_are_never_whole():
    normalised = batches("dictionary_learning", 5, [0.4], **{"dataset.normalize": True})
    drawn = figure.draw(pd.concat([FOUND, normalised]))
    left, right = drawn.axes
    ours = next(each for each in right.lines if each.get_label() == "descent (ours)")
    assert ours.get_xdata().tolist() == [64, 128]
    assert ours.get_ydata().tolist() == [1.0, 0.625]
    hollow = [each for each in left.lines if each.get_markerfacecolor() == "white"]
    assert [each.get_xdata().tolist() for each in hollow] == [[5]]


def test_the_best_of_a_setting_comes_first():
    table = board(FOUND)
    rows = [(row["data"], row["b"], row["attack"], row["exact"]) for _, row in table.iterrows()]
    assert rows == [
        ("cifar10, pixels", "64", "descent (ours)", "2/2"),
        ("cifar10, pixels", "64", "LT-code peeling", "1/2"),
        ("cifar10, pixels", "128", "descent (ours)", "1/2"),
        ("cifar10, pixels", "512", "LT-code peeling", "0/1"),
        ("tiny_imagenet, pixels", "64", "LT-code peeling", "0/1"),
    ]
    first = table.iloc[0]
    assert first["given"] == GIVEN["spear_irls"]
    assert (first["samples"], first["commit"]) == ("100.0 %", "0123456")
    assert first["network"] == "one_hidden_layer, m = 1000, weights of deviation 0.5"


def test_of_equal_shares_the_fastest_comes_first():
    slow = batches("lt_peeling", 64, [1.0, 1.0]).assign(seconds=9.0)
    table = board(pd.concat([slow, batches("spear_irls", 64, [1.0, 1.0])]))
    assert table["attack"].tolist() == ["descent (ours)", "LT-code peeling"]


def test_all_experiments_of_the_board_exist_and_the_page_has_their_records():
    assert set(EXPERIMENTS) <= set(experiments())
    assert page().count("\n") > 10


def test_without_any_records_the_board_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(leaderboard, "RESULTS", tmp_path)
    with pytest.raises(ConfigError, match=r"^no records of rivals or another experiment"):
        page()


def run_folder(root: Path, dirty: bool) -> Path:
    folder = root / "mine" / "job"
    folder.mkdir(parents=True)
    (folder / "batches.csv").write_text(
        "batch,exact,seconds,failure,details,within\n0,True,1.5,,{},1.0\n1,False,2.5,no,{},0.5\n"
    )
    config = {
        "batch_size": 8,
        "network": {"width": 100, "depth": 2},
        "dataset": {"normalize": True},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    summary = {
        "experiment": "rivals",
        "dataset": "cifar10",
        "network": "fcnn",
        "attack": "mine",
        "device": "cpu",
        "hardware": {"cpu": "A processor", "gpu": None, "threads": 1},
        "git_sha": "0123456789",
        "git_dirty": dirty,
        "command": "spear attack=mine",
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    return root / "mine"


def test_updates_under_a_defense_are_no_row(tmp_path, monkeypatch):
    defended = batches("dictionary_learning", 5, [0.4], defense="dpsgd")
    monkeypatch.setattr("spear.analysis.overview.leaderboard.load_batches", lambda _: defended)
    with pytest.raises(ConfigError, match=r"jobs with defense=dpsgd; expected plain gradients"):
        submitted(tmp_path)


@pytest.mark.parametrize("dirty", [True, False])
def test_a_submitted_row_brings_its_provenance(dirty, tmp_path):
    said = submitted(run_folder(tmp_path, dirty))
    assert "| fcnn, m = 100, 2 layers | cifar10, normalised | 8 | mine | `mine` |" in said
    assert "| 1/2 | 75.0 % | 2 s | A processor, 1 thread | 0123456 |" in said
    assert "2 batches, 1 with a failure; git_sha: 0123456789" in said
    assert "command: spear attack=mine" in said
    assert ("run it again from a clean checkout" in said) == dirty


def test_a_folder_without_jobs_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"^no complete job below .*; expected a folder of runs"):
        submitted(tmp_path)
