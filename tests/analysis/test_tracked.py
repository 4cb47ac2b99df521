"""Runs read back from W&B are the frame that their folders give."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import wandb
from support.command import Command
from support.wandb_server import KEY, ReceivedRun, sync, wandb_server

from spear.analysis.records.results import NoResults, results
from spear.errors import ConfigError


@dataclass
class Run:
    """What W&B's interface gives of a run."""

    received: ReceivedRun
    state: str = "finished"

    @property
    def name(self) -> str:
        return self.received.display_name

    @property
    def group(self) -> str:
        return self.received.group

    @property
    def config(self) -> dict[str, Any]:
        return self.received.config

    @property
    def summary_metrics(self) -> dict[str, Any]:
        return self.received.summary

    def file(self, name: str) -> Any:
        def download(root: str, replace: bool) -> Any:
            path = Path(root) / Path(name).name
            path.write_bytes(self.received.files[name])
            return SimpleNamespace(name=str(path))

        return SimpleNamespace(download=download)


class Api:
    """W&B's interface to one project."""

    def __init__(self, runs: list[Run]) -> None:
        self._runs = runs

    def runs(self, path: str, filters: dict[str, str] | None) -> list[Run]:
        if path != "someone/spear":
            raise ValueError(f"Could not find project {path}")
        return [each for each in self._runs if not filters or each.group == filters["group"]]


@pytest.mark.slow
def test_a_project_gives_the_same_frame_as_the_folders(tmp_path, monkeypatch, capfd):
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    sweep = ("-m", "dataset=digits", "batch_size=2,3", "n_batches=2", "name=mine")
    assert spear(*sweep, tracking="offline").code == 0
    with wandb_server() as server:
        sync(server, *(tmp_path / "out" / "mine").glob("*/wandb"))
        overrides = {"base_url": server.url}
        asked = wandb.Api(overrides, api_key=KEY)  # W&B's own, of this server
        monkeypatch.setattr(wandb, "Api", lambda: asked)
        local = results(tmp_path / "out" / "mine")
        remote = results("wandb:someone/spear", group="mine")
        assert remote["job"].str.startswith("wandb:someone/spear/mine/batch_size=").all()
        for level in ("batches", "jobs"):
            local, remote = (
                results(path, level, group)  # type: ignore[arg-type]
                for path, group in (
                    (tmp_path / "out" / "mine", None),
                    ("wandb:someone/spear", "mine"),
                )
            )
            order = ["batch_size", *(["batch"] if level == "batches" else [])]
            same = [each for each in local if each in remote and each not in ("job", "key")]
            assert {"psnr" if level == "batches" else "psnr_mean", "attack", "outcome"} <= {*same}
            lost = {*local.columns} - {*remote.columns}  # W&B keeps no number that is missing
            assert {*remote.columns} <= {*local.columns}
            assert local[[*lost]].isna().all(axis=None)
            pd.testing.assert_frame_equal(  # JSON has one kind of number
                local.sort_values(order, ignore_index=True)[same],
                remote.sort_values(order, ignore_index=True)[same],
                check_dtype=False,
            )
        with pytest.raises(NoResults, match="no runs in the group 'other' in the W&B project"):
            results("wandb:someone/spear", group="other")
        with pytest.raises(ConfigError, match="W&B does not give the runs of 'someone/else'"):
            results("wandb:someone/else")
        assert server.unknown == []


def received(**summary: Any) -> Run:
    run = ReceivedRun(display_name="a", group="g", config={"batch_size": 2, "choices": {}})
    table = {"columns": ["batch", "psnr", "details"], "data": [[0, "NaN", "{}"], [1, 3.5, "{}"]]}
    run.files["media/table/batches.json"] = json.dumps(table).encode()
    run.summary = {"experiment": "main", "_step": 2, "batch/psnr": {"mean": 1}} | summary
    return Run(run)


def test_what_is_not_finite_comes_back_as_a_number(monkeypatch):
    place = {"path": "media/table/batches.json"}
    run = received(batches=place, psnr_mean="NaN", seconds_median=0.5)
    monkeypatch.setattr(wandb, "Api", lambda: Api([run]))
    frame = results("wandb:someone/spear")
    assert frame["psnr"].isna().tolist() == [True, False]
    jobs = results("wandb:someone/spear", "jobs")
    assert jobs["psnr_mean"].isna().all()
    assert not [each for each in jobs if each.startswith(("batch/", "_"))]


@pytest.mark.parametrize(
    ("state", "outcome"),
    [("crashed", "interrupted"), ("failed", "failed"), ("running", "running")],
)
def test_a_run_without_a_table_of_batches_is_a_row_with_its_outcome(monkeypatch, state, outcome):
    run = received()
    run.state = state
    monkeypatch.setattr(wandb, "Api", lambda: Api([run]))
    assert results("wandb:someone/spear")["outcome"].tolist() == [outcome]


def test_what_cannot_be_read_is_said_in_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(wandb, "Api", lambda: Api([received()]))
    with pytest.raises(NoResults, match="no runs in the group 'h' in the W&B project 'someone/sp"):
        results("wandb:someone/spear", group="h")
    with pytest.raises(ConfigError, match=r"W&B does not give the runs of 'x'.*wandb login"):
        results("wandb:x")
    with pytest.raises(ConfigError, match="expected a path such as 'wandb:entity/project'"):
        results(tmp_path, group="g")
