"""`spear` and its subcommands, and what they were called before."""

import inspect
import json
import os
import pkgutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from support.command import Outcome, typed

from spear.experiments.cli import aliases
from spear.experiments.cli.commands import SUBCOMMANDS, listing
from spear.experiments.cli.entry import chosen
from spear.experiments.config.schema import CONF

ROOT = CONF.parent


@pytest.fixture
def spear(monkeypatch, capfd):
    def run(*arguments: object) -> Outcome:
        return typed(monkeypatch, capfd, "spear", *arguments)

    return run


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_each_takes_the_arguments_after_its_name(name):
    function = pkgutil.resolve_name(SUBCOMMANDS[name].target)
    assert list(inspect.signature(function).parameters) == ["arguments"]
    assert chosen([name, "--help", name]) == (name, ["--help", name])


@pytest.mark.parametrize("name", [each for each in SUBCOMMANDS if each != "run"])
def test_each_has_help_that_names_it(spear, name):
    outcome = spear(name, "--help")
    assert outcome.code == 0
    assert f"spear {name}" in outcome.out
    assert not outcome.error


def test_the_help_lists_all(spear):
    outcome = spear("--help")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert [line for line in lines if line in listing().splitlines()] == listing().splitlines()
    assert spear("run", "--help").out == outcome.out


WITHOUT_WAITING = f"""
import io, sys
from spear.experiments.cli.entry import main

def said(line):
    sys.argv = ["spear", *line.split()]
    sys.stdout = io.StringIO()
    try:
        main()
    except SystemExit as stop:
        return str(stop.code)
    finally:
        sys.stdout = sys.__stdout__

for name in {[*SUBCOMMANDS]}:
    assert said(name + " --help") in ("0", None), name
for line in ("batchsize=3", "dataset=cifar", "experiment=table99",
             "plan batchsize=3", "tables table99", "train-generator sed=1"):
    assert "did you mean" in said(line), line
heavy = {{"torch", "sklearn", "pandas", "matplotlib", "scipy", "numpy", "wandb"}}
print(*heavy & sys.modules.keys())
"""


def test_help_and_names_that_do_not_exist_need_no_heavy_package():
    """Who asks for help, or has typed a letter wrong, is answered at once."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_WAITING], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr


def test_run_is_the_default(spear, tmp_path):
    job = ("dataset=digits", "batch_size=2", "n_batches=1", "tracking=off", "--force")
    for first in ((), ("run",)):
        assert spear(*first, *job, f"output_root={tmp_path}").code == 0
    recorded = tmp_path.rglob("provenance.json")
    commands = [json.loads(path.read_text())["command"] for path in recorded]
    assert len(commands) == 2  # `--force` moves the first aside
    assert all(each.startswith("spear dataset=digits batch_size=2") for each in commands)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("colect", "did you mean 'collect'? See `spear --help`."),
        ("train_generator", "did you mean 'train-generator'? See"),
        ("batch_size", "did you mean 'batch_size='? See"),
        ("nonsense", "see `spear --help`."),
    ],
)
def test_a_word_that_is_none_is_refused(spear, word, hint):
    outcome = spear(word, "n_batches=1")
    assert outcome.code == 1
    assert outcome.error.startswith(f"spear: {word!r} is neither a subcommand nor KEY=VALUE; ")
    assert hint in outcome.error


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            ("tables", "table99"),
            "table 'table99' does not exist; did you mean 'table9'? Expected",
        ),
        (("claims", "--results", "nowhere"), "there are no results of any of the paper's tables"),
        (("percentiles", "--results", "nowhere"), "there are no results of table3 in nowhere; run"),
        (("show", "nowhere"), "'nowhere' does not exist; expected a folder of results"),
        (("page", "--to", "file/below"), "file/below cannot be used (Not a directory)."),
        (("plan", "batchsize=3"), "key 'batchsize' does not exist; did you mean 'batch_size'?"),
        (
            ("plan", "experiment=table4", "attack=geiping"),
            "experiment=table4 sweeps attack.layer, a key that attack=geiping does not have; leave",
        ),
        (
            ("plan", "experiment=table4", "attack=geiping", "attack.layer=1"),
            "key 'attack.layer' does",
        ),
    ],
)
def test_errors_are_told_in_one_sentence(spear, tmp_path, monkeypatch, line, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    outcome = spear(*line)
    assert outcome.code == 1
    assert outcome.error.startswith(f"spear {line[0]}: {message}")
    assert outcome.error.count("\n") == 0


@pytest.mark.slow
def test_it_ends_quietly_when_nobody_reads_its_output():
    """As in `spear experiments | head -1`."""
    program = "from spear.experiments.cli.entry import main; main()"
    line = [sys.executable, "-c", program, "experiments"]
    reader, writer = os.pipe()
    os.close(reader)
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}  # so that the write itself fails
    done = subprocess.run(line, stdout=writer, stderr=subprocess.PIPE, env=environment)
    os.close(writer)
    assert done.stderr == b""


def test_a_wrong_option_is_refused(spear):
    outcome = spear("collect", "--colour")
    assert outcome.code == 2
    assert outcome.message.startswith("spear collect: error: ")


def test_old_console_scripts_run_the_new_commands(monkeypatch, capfd, tmp_path):
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert pkgutil.resolve_name(scripts.pop("spear")) is aliases.entry.main
    assert [*scripts] == ["spear-collect", "spear-report", "spear-train-generator"]
    for script in scripts:
        assert pkgutil.resolve_name(scripts[script]) is aliases.main
        name = script.removeprefix("spear-")
        said = typed(monkeypatch, capfd, tmp_path / script, "--help", main=aliases.main)
        note = f"command {script!r} is now 'spear {name}'; the next version will refuse it.\n"
        assert (said.code, said.error) == (0, note)
        assert f"spear {name}" in said.out


def test_the_old_program_of_jobs_takes_subcommands(monkeypatch, capfd):
    def run(package: str = "experiments") -> None:
        with pytest.raises(SystemExit):
            aliases.run_module(package)

    monkeypatch.setattr("sys.orig_argv", ["python", "-m", "experiments.cli", "audit", "--help"])
    said = typed(monkeypatch, capfd, "-m", "audit", "--help", main=run)
    assert "is now 'spear audit'" in said.error
    assert "usage: spear audit" in said.out


def module(name: str, *arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )  # fmt: skip


@pytest.mark.slow
def test_old_programs_of_a_checkout_run_the_new_commands(tmp_path):
    done = module("analysis.tables", "appendix_b2", "--to", str(tmp_path))
    note = "command 'python -m analysis.tables' is now 'spear tables'; the next version will refuse"
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"{note} it.\n{tmp_path}/appendix_b2.md\n"
    assert (tmp_path / "appendix_b2.md").is_file()


def test_every_old_program_has_a_subcommand():
    assert set(aliases.PROGRAMS.values()) <= set(SUBCOMMANDS)
    assert {each.partition(".")[0] for each in aliases.PROGRAMS} == {"analysis", "experiments"}


@pytest.mark.slow
def test_another_program_by_its_old_name_is_refused():
    done = module("experiments.job.key")
    assert done.returncode == 1
    assert "'experiments' is 'spear.experiments' now, and its programs are" in done.stderr


@pytest.mark.parametrize("package", ["analysis", "experiments"])
def test_nothing_is_imported_by_its_old_name(package):
    """Imported by two names, every module would exist twice."""
    with pytest.raises(ImportError, match=f"'{package}' is 'spear.{package}' now"):
        import_module(package)
    assert package not in sys.modules
