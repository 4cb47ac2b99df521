"""The names, headers and tags of the prepared experiments, and what follows from them."""

import re
import subprocess

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from support.command import Command

from spear.analysis.records.frames import load_batches, load_summaries
from spear.analysis.records.store import RESULTS
from spear.analysis.report.sources import Source
from spear.errors import ConfigError
from spear.experiments.cli.experiments import main
from spear.experiments.cli.generated import renewed
from spear.experiments.config.choice import located, shortened
from spear.experiments.config.experiments import (
    FOLDER,
    RENAMED,
    ROOMS,
    TAGS,
    Experiment,
    experiments,
    tagged,
    unknown_experiment,
)
from spear.experiments.config.schema import CONF

ROOT = CONF.parent
ALL = list(experiments().values())


@pytest.mark.parametrize("experiment", ALL, ids=lambda each: each.name)
def test_every_file_begins_with_its_header(experiment: Experiment):
    text = (FOLDER / f"{experiment.choice}.yaml").read_text()
    lines = text.splitlines()
    assert lines[0] == "# @package _global_"  # Hydra wants it before any other comment
    assert lines[1] == f"# spear experiment={experiment.name}"
    assert re.fullmatch(r"[^:].{10,}\.", experiment.subject)
    assert experiment.room in ROOMS
    assert set(experiment.tags) <= set(TAGS)
    assert not experiment.takes or re.match(r"[\d.]+ min (of attacks )?on \w", experiment.takes)
    assert not re.search(r"(Takes|Paper|Again|Ours|Tags)\b.*: ", experiment.description)


def test_each_name_is_there_once_and_no_former_name_is_in_use():
    files = [path.stem for path in FOLDER.rglob("*.yaml")]
    assert sorted(files) == sorted(experiments())
    assert set(RENAMED.values()) <= set(experiments())
    assert not set(RENAMED) & set(experiments())


def test_a_header_is_read_with_its_continued_lines():
    table1 = experiments()["table1"]
    assert (table1.choice, table1.minutes) == ("paper/table1", 30)
    assert list(table1.values) == ["gradient matching", "SPEAR"]
    assert table1.values["SPEAR"].paper == "124.2 dB; 2 min (GPU)"
    assert (
        experiments()["table6"].values["CPA, LPIPS (VGG)"].again.endswith("untrained linear layers")
    )


def test_the_longest_experiments_of_a_tag_come_first():
    minutes = [each.minutes for each in tagged("paper")]
    assert minutes == sorted(minutes, reverse=True)
    assert {each.name for each in tagged("paper-gpu")} <= {each.name for each in tagged("gpu")}


@pytest.mark.parametrize(("tag", "most"), [("paper", 180), ("paper-long", 120)])
def test_recorded_minutes_of_a_target_add_up_to_what_its_page_says(tag, most):
    """Two cores that share those of `make -j2 paper` evenly need 90 minutes."""
    minutes = [each.minutes for each in tagged(tag)]
    assert all(each > 0 for each in minutes)
    assert sum(minutes) <= most
    page = (ROOT / "docs" / "paper.md").read_text()
    assert re.search(rf"\b{sum(minutes):g} (in all|minutes more)", page)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["experiment=table9", "seed=1"], ["experiment=paper/table9", "seed=1"]),
        (["experiment=paper/table9"], ["experiment=paper/table9"]),
        (["-m", "experiment=table8,scaling"], ["-m", "experiment=paper/table8,beyond/scaling"]),
        (["experiment=choice(table8,gifd)"], ["experiment=paper/table8,related/gifd"]),
        (["experiment=glob(exact_recovery_b50_*)"],
         ["experiment=beyond/exact_recovery_b50_gpu,beyond/exact_recovery_b50_peeling"]),
        (["+experiment=mine", "experiment=null"], ["+experiment=mine", "experiment=null"]),
        (["experiment=beyond/table9"], ["experiment=beyond/table9"]),
    ],
)  # fmt: skip
def test_names_become_files(given, expected):
    assert located(given) == expected


def test_arguments_are_shown_as_users_write_them():
    assert shortened(["experiment=paper/table9", "seed=1"]) == ["experiment=table9", "seed=1"]


@pytest.mark.parametrize("former", RENAMED)
def test_a_former_name_is_accepted_with_a_hint(former, capsys):
    present = experiments()[RENAMED[former]]
    assert located([f"experiment={former}"]) == [f"experiment={present.choice}"]
    assert capsys.readouterr().err == (
        f"experiment {former!r} is now {present.name!r}, as is the folder of its results.\n"
    )


def test_what_is_no_override_is_refused():
    with pytest.raises(HydraException):
        located(["experiment=choice("])


def test_an_unknown_name_is_told_with_close_ones():
    assert "did you mean 'table9' or" in unknown_experiment("table99")
    assert "did you mean 'gifd_out_of_distribution'" in unknown_experiment("gifd_ou")
    assert "did you mean" not in unknown_experiment("nix")


def test_a_run_by_a_former_name_lies_under_the_present_one(tmp_path, monkeypatch, capfd):
    spear = Command(tmp_path, monkeypatch, capfd)
    small = ("hydra.mode=RUN", "dataset=faces", "batch_size=2", "n_batches=1", "network.width=50")
    outcome = spear("experiment=table9_each", *small)
    assert outcome.code == 0, outcome.error
    assert "'table9_each' is now 'table9_noise_per_example'" in outcome.error
    table = load_summaries(tmp_path / "table9_noise_per_example")
    assert list(table["experiment"]) == ["table9_noise_per_example"]
    assert "experiment=table9_noise_per_example " in table["command"][0]


def test_records_under_a_former_name_count_for_the_present_one():
    batches = load_batches(RESULTS / "table1_32px_sigmoid")
    assert set(batches["experiment"]) == {"table1_32px_sigmoid"}
    assert "exact_recovery_b50" in Source("committed", RESULTS).experiments


def test_results_lie_under_present_names():
    folders = {path.parent.name for path in RESULTS.glob("*/jobs.json")}
    assert folders <= set(experiments())


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("docs/paper.md", marks=pytest.mark.slow),
        "docs/experiments.md",
        "docs/beyond-the-paper.md",
        "docs/leaderboard.md",
        "Makefile",
    ],
)
def test_generated_lists_are_up_to_date(name):
    text = (ROOT / name).read_text()
    assert renewed(text) == text, f"run `spear experiments --write {name}`"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no block", "there is no block"),
        ("# spear experiments: colours\n# end of spear experiments\n", "'colours' is no block"),
    ],
)
def test_files_without_a_known_block_are_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        renewed(text)


def test_make_paper_runs_what_is_tagged():
    made = subprocess.run(
        ["make", "-n", "paper"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    run = re.findall(r"spear experiment=(\w+)", made.stdout)
    assert run == [each.name for each in tagged("paper")]


def test_the_command_lists_names_minutes_and_subjects(capsys):
    main([])
    said = capsys.readouterr().out
    assert all(each.name in said and each.subject in said for each in ALL)
    main(["--tag", "paper", "--names"])
    assert capsys.readouterr().out.split() == [each.name for each in tagged("paper")]


def test_the_command_renews_a_file(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- spear experiments: table main -->\nold\n<!-- end of spear experiments -->\n"
    )
    main(["--write", str(page)])
    assert "old" not in page.read_text()
    assert "`table9_noise_per_example`" in page.read_text()


def test_the_command_renews_the_lists_of_a_folder_and_no_other_page(tmp_path):
    block = "<!-- spear experiments: table main -->\nold\n<!-- end of spear experiments -->\n"
    (tmp_path / "list.md").write_text(block)
    (tmp_path / "other.md").write_text("old")
    main(["--write", str(tmp_path)])
    assert "old" not in (tmp_path / "list.md").read_text()
    assert (tmp_path / "other.md").read_text() == "old"


def test_the_command_refuses_an_unknown_tag(capsys):
    with pytest.raises(SystemExit):
        main(["--tag", "colours"])
    assert "invalid choice: 'colours'" in capsys.readouterr().err


@pytest.mark.slow
def test_variants_say_only_what_differs():
    """A key of a variant that the experiment below it has with the same value is one too many."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for each in ALL:
            own = OmegaConf.load(FOLDER / f"{each.choice}.yaml")
            below = [
                name for name in own.get("defaults", []) if str(name).startswith("/experiment/")
            ]
            for name in below:
                choice = str(name).removeprefix("/experiment/")
                composed = compose("config", [f"experiment={choice}"], return_hydra_config=True)
                repeated = [key for key, value in leaves(own) if same(composed, key, value)]
                assert not repeated, f"{each.name} repeats {repeated} of {choice}"


def leaves(node, prefix=""):
    for key, value in node.items_ex(resolve=False):
        if key != "defaults" and OmegaConf.is_dict(value):
            yield from leaves(value, f"{prefix}[{key}]")
        elif key != "defaults":
            yield f"{prefix}[{key}]", value


def same(config, key, value):
    return OmegaConf.select(config, key) == value
