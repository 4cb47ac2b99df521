"""The dashboards' files are what the tables make of them, and W&B is given what they say."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from support.wandb_server import KEY, wandb_server

import spear.analysis.figures
from spear.analysis.overview.panels import PANELS, reference
from spear.analysis.paper.comparison import PAPER
from spear.analysis.records.store import JOBS, RESULTS, read_jobs
from spear.analysis.render.packages import modules, names
from spear.analysis.workspaces import command
from spear.analysis.workspaces.board import FOLDER, Board, boards, files, write
from spear.errors import ConfigError

BOARDS = boards()
PAPERS = {path.stem for path in PAPER.glob("table*.csv")}


def test_every_table_of_the_paper_and_every_figure_has_one():
    given = {path.stem for path in PAPER.glob("table*.csv")} | {*names(spear.analysis.figures)}
    given -= {
        name for name, module in modules(spear.analysis.figures).items() if not module.EXPERIMENTS
    }
    assert set(BOARDS) == set(files()) == given
    assert BOARDS["table3"].name == "Tables 3 and 7"


@pytest.mark.parametrize("name", BOARDS)
def test_the_committed_file_is_up_to_date(name):
    path = RESULTS / FOLDER / f"{name}.yaml"
    assert path.read_text() == BOARDS[name].to_yaml(), "run `spear workspaces write`"
    assert Board.from_yaml(path) == BOARDS[name]


def test_what_was_swept_is_read_from_the_records():
    assert BOARDS["table9"].over == (
        "defense.max_norm",
        "defense.noise_multiplier",
        "defense.noise_std",
    )
    assert BOARDS["table10"].over[0] == "fedavg.epochs"
    assert BOARDS["figure4"].over == ("batch_size", "network.width")
    assert {"batch_size", "network.width", "network.depth"} == {*BOARDS["figure5"].over}


def test_a_group_of_any_name_has_a_board_over_its_own_keys():
    """What repeats a job, or says where it ran, is no axis."""
    row = {"psnr_mean": 1.0, "lpips_mean": None, "seed": 0, "hardware.threads": 1, "batch_size": 4}
    jobs = pd.DataFrame(
        [row | {"defense.noise_std": s, "seed": k, "hardware.threads": k, "attack.p": "x"}
         for k, s in enumerate((0.1, 0.2))]
    )  # fmt: skip
    board = Board.of_group("mine", jobs)
    assert board.experiments == ("mine",)
    assert [panel.key for panel in board.panels] == ["psnr_mean"]
    assert board.over == ("defense.noise_std",)
    assert board.chosen == ()
    assert board.columns() == ""


def test_choices_that_were_swept_are_compared():
    """`attack` and `defense` have names; a job without one, and what is no choice, are left out."""
    rows = [
        {"psnr_mean": 1.0, "attack": "geiping", "defense": "none", "dataset": "digits"},
        {"psnr_mean": 2.0, "attack": "spear", "defense": "dpsgd", "dataset": "digits", "job": "b"},
        {"psnr_mean": 3.0, "attack": None, "reason": "cut short", "job": "c"},
    ]
    board = Board.of_group("mine", pd.DataFrame(rows))
    assert (board.over, board.chosen) == ((), ("attack", "defense"))
    assert "attack" in BOARDS["side_by_side"].chosen


@pytest.mark.parametrize(
    ("table", "key", "said"),
    [
        ("table9", "psnr_mean", "the paper: 28.7 to 118.7"),  # of SPEAR alone, not of its rival
        ("table10", "accuracy", "the paper: 90% to 100%"),
        ("table9", "seconds_median", ""),
        ("scaling", "psnr_mean", ""),
    ],
)
def test_panels_name_the_papers_values(table, key, said):
    assert reference(table, PANELS[key]) == said


def test_files_of_tables_that_are_gone_go(tmp_path):
    (tmp_path / "table1.yaml").touch()
    assert [path.stem for path in write(tmp_path)] == list(BOARDS)
    assert set(files(tmp_path)) == set(BOARDS)


def test_panels_show_what_jobs_record():
    summaries = [
        job["summary"]
        for board in BOARDS.values()
        for experiment in board.experiments
        if (RESULTS / experiment / JOBS).exists()
        for job in read_jobs(RESULTS / experiment).values()
    ]
    recorded = {key for summary in summaries for key in summary}
    results = [board for board in BOARDS.values() if (RESULTS / board.experiments[0]).exists()]
    assert {panel.key for board in results for panel in board.panels} <= recorded
    assert all(PANELS["seconds_median"] in board.panels for board in BOARDS.values())


def test_files_are_written_and_looked_for_below_the_working_directory(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert files() == files(RESULTS / FOLDER)
    command.main(["write"])
    assert "results/rendered/workspaces/table1.yaml" in capsys.readouterr().out.splitlines()
    assert {path.resolve().parent for path in files().values()} == {
        tmp_path / "results" / "rendered" / "workspaces"
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "name: x\nexperiments: [a]\n",
            "must have the keys chosen, experiments, name, over, panels, table",
        ),
        (
            "name: x\ntable: x\nexperiments: [a]\npanels: [colour]\nover: []\nchosen: []\n",
            "has a panel 'colour'; there are acc",
        ),
        ("- x", "must have the keys"),
    ],
)
def test_a_bad_file_is_said_in_one_sentence(text, said, tmp_path):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        Board.from_yaml(tmp_path / "x.yaml")


def test_without_the_package_the_command_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    monkeypatch.delitem(sys.modules, "spear.analysis.workspaces.publication", raising=False)
    missing = (
        r"the package wandb-workspaces is not installed; run `pip install 'spear-suite\[wandb\]'`, "
    )
    with pytest.raises(ConfigError, match=missing):
        command.main(["publish"])


def test_a_workspace_says_what_its_file_says_and_survives_its_own_format():
    ws = pytest.importorskip("wandb_workspaces.workspaces", reason="needs spear-suite[wandb]")
    from spear.analysis.workspaces.publication import workspace

    for board in BOARDS.values():
        made = workspace(board, "someone", "spear")
        read = ws.Workspace._from_model(made._to_model())
        assert read.name == board.name
        sections = {section.name: section.panels for section in read.sections}
        for table in sections.get("The paper, Algorithm 1, ours", []):
            assert table.markdown == board.columns() != ""
            assert board.table not in PAPERS or "descent (ours)" in table.markdown
        assert board.table == "" or "The paper, Algorithm 1, ours" in sections
        keys = [panel.key for panel in board.panels]
        assert [bar.metrics[0].name for bar in sections["Jobs"]] == keys
        drawn = sections.get("Over what was swept", [])
        grouped = len(board.chosen) * len(keys)
        means, drawn = drawn[:grouped], drawn[grouped:]
        assert [(each.groupby.name, each.metrics[0].name) for each in means] == [
            (f"choices.{group}", measure) for group in board.chosen for measure in keys
        ]
        assert [(each.x.name, each.y.name) for each in drawn] == [
            (key, measure) for key in board.over for measure in keys
        ]
        (pictures,) = sections["Reconstructions"]
        assert pictures.media_keys == ["reconstructions", "images"]
        *lines, batches = sections["Batches"]
        assert [line.y[0].name for line in lines] == ["batch/psnr", "batch/seconds"]
        assert batches.table_name == "batches"
        assert all(repr(each) in str(read.runset_settings.filters) for each in board.experiments)


def publish(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("wandb_workspaces", reason="needs spear-suite[wandb]")
    return subprocess.run(
        [sys.executable, "-m", "spear.experiments.cli.entry", "workspaces", "publish", *arguments],
        env=os.environ | environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_every_workspace_is_published_by_one_command():
    with wandb_server() as server:
        done = publish(WANDB_BASE_URL=server.url, WANDB_API_KEY=KEY)
        assert done.returncode == 0, done.stderr
        assert [view["displayName"] for view in server.views] == [
            Board.from_yaml(path).name for path in files().values()
        ]
        assert {(view["entityName"], view["projectName"]) for view in server.views} == {
            ("someone", "spear")
        }
        addresses = done.stdout.splitlines()
        assert len(addresses) == len(set(addresses)) == len(BOARDS)
        assert server.unknown == []


@pytest.mark.slow
def test_the_runs_of_a_group_get_a_workspace_of_their_own():
    with wandb_server() as server:
        results = str(RESULTS / "table11")
        keys = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
        done = publish("--group", "mine", "--results", results, **keys)
        assert done.returncode == 0, done.stderr
        (view,) = server.views
        assert view["displayName"] == "mine"
        assert "fedavg.value.learning_rate" in str(view)


def test_a_group_that_has_no_runs_anywhere_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def nothing(path, filters):
        return []

    monkeypatch.setattr("wandb.Api", lambda: SimpleNamespace(runs=nothing))
    message = (
        "there is no folder outputs/nope of the group 'nope', and there are no runs in the group "
        "'nope' in the W&B project 'spear'"
    )
    with pytest.raises(ConfigError, match=message):
        command.main(["publish", "--group", "nope"])


@pytest.mark.slow
def test_without_a_login_the_command_says_so(tmp_path):
    done = publish(HOME=str(tmp_path), WANDB_API_KEY="")
    assert done.returncode == 1
    assert done.stderr.startswith("spear workspaces: W&B does not take the workspaces (")
    assert "run `wandb login` first" in done.stderr
