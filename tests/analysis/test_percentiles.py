"""Figures 10 to 13 show the batches that the results of Table 3 name."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from spear.analysis.records.store import RESULTS
from spear.analysis.render.rendering import load
from spear.analysis.statistics.percentiles import shown
from spear.analysis.tables import figures10_13
from spear.experiments.cli.start import CONF


def test_batches_are_chosen_by_their_rank_among_those_of_tiny_imagenet():
    ours = pd.DataFrame({"batch": range(100), "psnr": [float(-k) for k in range(100)]})
    others = ours.assign(dataset="mnist", psnr=0.0)
    results = pd.concat([others, ours.assign(dataset="tiny_imagenet")])
    # worst is the last batch; 10 batches are not above the 10th percentile
    assert list(shown(results).values()) == [90, 50, 10, 99]
    assert list(shown(results[results["batch"] < 3]).values()) == [2, 1, 0, 2]


def test_the_experiment_runs_the_batches_that_table_3_names():
    try:
        results = load(("table3",), RESULTS)
    except FileNotFoundError:
        pytest.skip("no results of table3 are committed, which say which batches to show")
    config = yaml.safe_load((CONF / "experiment" / "paper" / "figures10_13.yaml").read_text())
    swept = str(config["hydra"]["sweeper"]["params"]["first_batch"])
    assert [int(number) for number in swept.split(",")] == list(shown(results).values())


def test_each_figure_is_the_picture_of_its_batch(tmp_path):
    psnr = {12: 91.0, 26: 160.0, 62: 164.0, 86: 162.0}
    for batch in psnr:
        (tmp_path / f"{batch}.jpg").touch()
    results = pd.DataFrame({"batch": psnr.keys(), "psnr": psnr.values()})
    results["picture"] = [str(tmp_path / f"{batch}.jpg") for batch in psnr]
    rows = figures10_13.table(results)[figures10_13.COLUMN]
    assert rows[0] == "**Figure 10: 10th percentile, batch 26, 160.0 dB**"
    assert [Path(link.split("(")[1]).stem for link in rows[1::2]] == ["26", "86", "62", "12"]
    (tmp_path / "86.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"86.*is missing; collect it by .* --images"):
        figures10_13.table(results)
