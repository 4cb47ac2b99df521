"""Command lines with several experiments, each with a sweep of its own, and sweeps of any form."""

import json
import shlex
from pathlib import Path

import pytest
from hydra.experimental.callback import Callback
from support.command import Command, Outcome, draw_nothing

from spear.errors import ConfigError
from spear.experiments.cli.plan import plan
from spear.experiments.config.choice import divided
from spear.experiments.config.experiments import experiments
from spear.experiments.config.schema import folder_name
from spear.experiments.job.outcome import JobOutcome
from spear.experiments.sweep.journal import Entry, Journal
from spear.experiments.sweep.monitor import Sweep
from spear.experiments.tracking.terminal import shared_console
from spear.experiments.tracking.wandb import NoTracking

SMALL = ("dataset=digits", "batch_size=2", "n_batches=1")
OWN = """# @package _global_
defaults:
  - override /dataset: digits
batch_size: 2
n_batches: 1
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      {axis}
"""


class Failing(Callback):
    """A user's callback with a bug, before and after everything."""

    def fail(self, **_: object) -> None:
        raise RuntimeError("a bug in a callback")

    on_multirun_start = on_multirun_end = on_job_start = on_job_end = fail


@pytest.fixture
def spear(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("COLUMNS", "2000")
    shared_console.cache_clear()
    draw_nothing(monkeypatch)
    return Command(tmp_path / "out", monkeypatch, capfd)


def jobs(outcome: Outcome) -> list[str]:
    lines = [line for line in outcome.out.splitlines() if line.startswith("│ ")]
    return [line for line in lines if " failed " in line or " done " in line]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("table3", ["table3"]),
        ("table3,table4,table3", ["table3", "table4"]),
        ("choice(table3,mine)", ["table3", "mine"]),
        ("glob(table3*,exclude=*_*)", ["table3"]),
        (
            "glob(related/*)",
            [each.name for each in experiments().values() if each.room == "related"],
        ),
        ("null", ["null"]),
    ],
)
def test_each_experiment_gets_a_command_line(given: str, names: list[str]):
    lines = divided(["-m", f"experiment={given}", "seed=1,2"])
    assert lines == [["-m", f"experiment={name}", "seed=1,2"] for name in names]


def test_lines_without_an_experiment_stay_as_they_are():
    assert divided(["-m", "seed=1,2"]) == [["-m", "seed=1,2"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["experiment=glob(tabel*)"], "experiment=glob(tabel*) matches no experiment;"),
        (["experiment=table3", "experiment=table4"], "experiment is given twice, as table3 and"),
    ],
)
def test_lines_that_name_none_or_two_are_refused(arguments: list[str], message: str):
    with pytest.raises(ConfigError) as refused:
        divided(arguments)
    assert str(refused.value).startswith(message)


def test_the_plan_has_every_job_of_every_experiment():
    planned = [job.name for job in plan(["experiment=glob(table1?)", "n_batches=1"])]
    epochs = [f"fedavg.epochs={k},experiment=table10,n_batches=1" for k in (1, 5, 10, 20, 50)]
    assert planned[:5] == epochs
    assert [name.split(",")[1] for name in planned[5:]] == 3 * ["experiment=table11"]


def test_each_experiment_runs_its_own_sweep(spear: Command, tmp_path: Path):
    folder = tmp_path / "own" / "experiment"
    folder.mkdir(parents=True)
    for name, axis in {"mine_a": "seed: 1,2", "mine_b": "batch_size: 2,5000"}.items():
        (folder / f"{name}.yaml").write_text(OWN.format(axis=axis))
    outcome = spear(f"--config-dir={folder.parent}", "experiment=glob(mine*)", "-m")
    done = {
        p.parent.relative_to(spear.output_root) for p in spear.output_root.rglob("summary.json")
    }
    expected = {"mine_a": ["seed=1", "seed=2"], "mine_b": ["batch_size=2"]}
    assert done == {Path(name, job) for name, each in expected.items() for job in each}
    assert len(jobs(outcome)) == 4
    assert outcome.code == 1
    assert "mine_b: 1 of 2 jobs are not done" in outcome.error
    assert "1 of 2 experiments are not done (mine_b)" in outcome.message
    command = next(each for each in outcome.out.splitlines() if each.startswith("spear "))
    assert {"experiment=mine_b", "batch_size=5000"} <= set(shlex.split(command))


@pytest.mark.parametrize(
    ("overrides", "sizes"),
    [
        ((*SMALL[1:], "dataset=glob(di*)", "batch_size=range(2,8,2)"), [2, 4, 6]),
        (("batch_size=choice(2,4)", "dataset=digits"), [2, 4]),
        (("batch_size=sort(4,2,3,reverse=true)",), [4, 3, 2]),
        (("batch_size=shuffle(2,3,4)",), {2, 3, 4}),
        (
            ("batch_size=sort(range(2,5))", "attack=glob(spear_i*,exclude=*irls_*)"),
            [2, 2, 3, 3, 4, 4],
        ),
    ],
)
@pytest.mark.few(2)
def test_every_form_of_a_sweep_is_planned(overrides: tuple[str, ...], sizes: list[int]):
    planned = plan([*overrides])
    assert type(sizes)(int(job.name.split("batch_size=")[1].split(",")[0]) for job in planned) == (
        sizes
    )


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("dataset=glob(zzz*)", "dataset=glob(zzz*) matches nothing; expected at least one value."),
        ("seed=interval(1,2)", "an interval has no values to take in turn; list them, as in"),
    ],
)
def test_sweeps_without_a_value_are_refused(spear: Command, sweep: str, message: str):
    outcome = spear("-m", sweep)
    assert outcome.code == 1
    assert outcome.message.startswith(f"spear: {message}")
    with pytest.raises(ConfigError):
        plan([sweep])


def test_callbacks_that_fail_hide_no_failed_job(spear: Command, monkeypatch: pytest.MonkeyPatch):
    def fail(_: object) -> None:
        raise RuntimeError("a bug in the plan")

    monkeypatch.setattr("spear.experiments.sweep.monitor.planned", fail)
    callback = f"+hydra.callbacks.mine._target_={__name__}.Failing"
    with pytest.warns(UserWarning, match="a bug in a callback"):
        outcome = spear("-m", callback, *SMALL[::2], "dataset=glob(di*)", "batch_size=2,5000")
    assert outcome.code == 1
    assert "1 of 2 jobs are not done" in outcome.message
    assert len(jobs(outcome)) == 2


@pytest.mark.parametrize("where", ["monitor.Sweep.watch", "monitor.Journal.new"])
def test_without_a_watched_sweep_a_failed_job_raises(
    spear: Command, monkeypatch: pytest.MonkeyPatch, where: str
):
    def fail(*_: object) -> None:
        raise RuntimeError("a bug in the watch")

    monkeypatch.setattr(f"spear.experiments.sweep.{where}", fail)
    with pytest.warns(UserWarning, match="a bug in the watch"):
        outcome = spear("-m", *SMALL, "batch_size=5000")
    assert outcome.code == 1
    assert "cannot give a batch of 5000" in outcome.message


def test_jobs_of_a_shuffled_sweep_that_did_not_begin_are_told_by_their_overrides(tmp_path: Path):
    journal = Journal.new(tmp_path)
    journal.write(0, Entry("b", ["seed=3"], JobOutcome.DONE))
    entries = Sweep(journal, [[f"seed={k}"] for k in (1, 2, 3)]).final_entries(early=True)
    assert [each.overrides for each in entries.values()] == [["seed=3"], ["seed=1"], ["seed=2"]]


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [
        ((None, None), "main"),
        ((None, "mine"), "mine"),
        (("paper/table9", None), "table9"),
        (("paper/table9", "mine"), "mine/table9"),
    ],
)
def test_a_name_is_the_folder_of_a_sweep(arguments: tuple[str | None, str | None], folder: str):
    assert folder_name(*arguments) == folder


@pytest.mark.parametrize("name", ["../out", "a/b", "a,b", ".hidden", "", "x" * 65])
def test_a_name_that_is_no_plain_folder_is_refused(spear: Command, name: str):
    outcome = spear("-m", f"name={name}", *SMALL)
    assert outcome.code == 1
    assert outcome.message.startswith(f"spear: name is {name!r}; expected letters, digits")
    assert not spear.output_root.parent.joinpath("out").exists()


def test_a_named_sweep_has_its_folder_group_and_tag(
    spear: Command, monkeypatch: pytest.MonkeyPatch
):
    seen = []
    monkeypatch.setattr(NoTracking, "start", lambda _, job: seen.append(job))
    assert spear("-m", "name=mine", *SMALL, "seed=1").code == 0
    (job,) = seen
    assert (
        job.folder == spear.output_root / "mine" / "batch_size=2,dataset=digits,n_batches=1,seed=1"
    )
    assert (job.group, job.tags[:2]) == ("mine", ["mine", "main"])
    state = json.loads((job.folder / "status.json").read_text())
    assert spear(*SMALL, "seed=1").code == 0
    other = spear.folder(job.folder.name) / "status.json"
    assert json.loads(other.read_text())["key"] == state["key"]
