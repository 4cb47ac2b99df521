"""A metric of the user's own, from its class to every place where numbers are shown."""

import csv
import json
import math

import pytest
import wandb
from support.command import Attacked, Command, draw_nothing

from spear.analysis.records.frames import load_batches
from spear.experiments.record.records import ORDER

JOB = ("dataset=digits", "batch_size=2", "n_batches=2")
OWN = "+metrics.mine={_target_:own_metrics.WorstPixel}"


@pytest.fixture
def spear(tmp_path, monkeypatch, capfd):
    draw_nothing(monkeypatch)
    return Command(tmp_path / "out", monkeypatch, capfd)


def test_a_metric_of_ones_own_reaches_the_whole_record(spear, monkeypatch):
    logged = []
    monkeypatch.setattr(wandb.Run, "log", lambda self, row, **_: logged.append(row))
    outcome = spear(*JOB, OWN, tracking="offline")
    assert outcome.code == 0, outcome.error
    (folder,) = (each.parent for each in spear.output_root.rglob("summary.json"))
    with (folder / "batches.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [*ORDER, "worst_pixel", "visible"]
    worst = [float(row["worst_pixel"]) for row in rows]
    assert all(0 < each < 1e-3 for each in worst)
    assert {row["visible"] for row in rows} == {"False"}
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["worst_pixel_mean"] == pytest.approx(sum(worst) / 2)
    assert summary["visible_mean"] == 0
    assert f"worst_pixel_mean {summary['worst_pixel_mean']:.4g}" in outcome.out
    frame = load_batches(spear.output_root)
    assert frame["worst_pixel"].tolist() == worst
    assert [row["batch/worst_pixel"] for row in logged if "batch/worst_pixel" in row] == worst
    assert logged[-1]["batches"].columns == list(rows[0])


def test_a_job_goes_on_with_a_metric_of_ones_own(spear, monkeypatch):
    attacked = Attacked(stop=1)
    monkeypatch.setattr("spear.experiments.cli.run.breach", attacked)
    visible = "+metrics.mine={_target_:own_metrics.WorstPixel,threshold:0}"
    assert spear(*JOB, visible).code == 1
    assert spear(*JOB, visible).code == 0
    assert attacked.batches == [0, 1]
    (found,) = spear.output_root.rglob("summary.json")
    assert json.loads(found.read_text())["visible_mean"] == 1
    complete = spear(*JOB, visible)
    assert "visible_mean 1" in complete.out
    assert attacked.batches == [0, 1]


def test_a_metric_is_of_no_consequence_for_the_others(spear):
    spear(*JOB)
    spear(*JOB, OWN)
    rows = [
        next(csv.DictReader(path.open())) for path in sorted(spear.output_root.rglob("batches.csv"))
    ]
    for name in set(ORDER) - {"seconds"}:
        assert rows[0][name] == rows[1][name], name
    assert math.isfinite(float(next(row["worst_pixel"] for row in rows if "worst_pixel" in row)))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+metrics.mine=3", r"key 'metrics.mine' has no _target_"),
        ("metrics=3", "key 'metrics' is 3; expected a mapping from names to classes"),
        ("+metrics.mine._target_=os.system", "not in the packages that a configuration may run"),
        ("+metrics.mine._target_=own_metrics.Psnr", "has a number 'psnr', but a job has another"),
        (
            "+metrics.mine._target_=spear.client.defenses.NoDefense",
            "key 'metrics.mine' names NoDefense, which is not a metric",
        ),
        (
            "+metrics.mine={_target_:own_metrics.WorstPixel,limit:1}",
            "key 'metrics.mine.limit' does not exist; the keys of metrics.mine are threshold",
        ),
    ],
)
@pytest.mark.few(2)
def test_what_is_no_metric_is_refused_by_name(spear, override, message):
    outcome = spear(*JOB, override)
    assert outcome.code == 1
    assert message in outcome.message
