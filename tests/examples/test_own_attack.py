"""The example package, copied out of the checkout, works as its README says."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.command import draw_nothing, typed

from spear.experiments.cli.start import CONF

ROOT = CONF.parent
EXAMPLE = ROOT / "examples" / "own_attack"
README = (EXAMPLE / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.S)
TEXTS = re.findall(r"```text\n(.*?)```", README, re.S)
SPEAR = "from spear.experiments.cli.entry import main; main()"
DATA = ("data_root=nowhere", "tracking=off")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere") / "own_attack"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return folder


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run lines in a folder where the package is importable and `spear` is this checkout's."""
    own = {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    spear = f"spear() {{ '{sys.executable}' -c '{SPEAR}' \"$@\" {' '.join(DATA)}; }}\n"
    return subprocess.run(
        ["bash", "-euc", spear + script],
        cwd=folder,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def spear(copy, monkeypatch, capfd):
    """One line of the README in this process, which saves its start-up time."""

    def run(line: str, packages: str = "own_attack"):
        monkeypatch.setenv("SPEAR_PACKAGES", packages)
        return typed(monkeypatch, capfd, *shlex.split(line), *DATA)

    monkeypatch.syspath_prepend(copy)
    monkeypatch.chdir(copy)
    draw_nothing(monkeypatch)
    yield run
    for name in [each for each in sys.modules if each.split(".")[0] == "own_attack"]:
        del sys.modules[name]


def results(folder: Path, experiment: str, name: str) -> tuple[list[dict[str, str]], dict]:
    (found,) = (folder / "outputs" / experiment).glob(name)
    with (found / "batches.csv").open() as file:
        rows = list(csv.DictReader(file))
    return rows, json.loads((found / "summary.json").read_text())


def words(text: str) -> list[str]:
    """Lines without what differs between machines: digits after a point, spaces, rules."""
    lines = [re.sub(r"\d+\.\d+(e-\d+)?", "#", line) for line in text.splitlines()]
    return [" ".join(re.sub("[━─]+", "─", line).split()) for line in lines]


@pytest.mark.slow
def test_the_command_of_the_readme_prints_what_it_says(copy):
    done = shell(BLOCKS[1], copy)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert set(words(TEXTS[0])) <= set(words(done.stdout))
    rows, summary = results(copy, "own_attack", "defaults")
    assert [float(row["largest_error"]) < 1e-6 for row in rows] == [True] * 5
    assert {(row["status"], row["exact"]) for row in rows} == {("estimated", "True")}
    assert summary["accuracy"] == 1
    assert summary["largest_error_max"] == max(float(row["largest_error"]) for row in rows)


def test_each_part_works_alone(copy, spear):
    lines = BLOCKS[2].splitlines()
    assert len(lines) == 3
    for line in lines:
        assert spear(line).code == 0
    rows, summary = results(copy, "main", "*network=squared_relu*")
    assert {row["status"] for row in rows} == {"exact"}
    assert summary["accuracy"] == 1
    rows, _ = results(copy, "main", "*attack.layer=2*")
    assert {row["exact"] for row in rows} == {"True"}
    rows, _ = results(copy, "main", "+metrics.mine*")
    assert all(float(row["largest_error"]) < 1e-5 for row in rows)


def test_two_images_are_refused_in_the_sentence_of_the_readme(copy, spear):
    (line,) = re.findall(r"`(spear [^`]*batch_size=2)`", README)
    done = spear(line)
    assert done.code == 1
    assert TEXTS[1].strip() in [each.strip() for each in done.out.splitlines()]
    rows, _ = results(copy, "main", "*batch_size=2*")
    assert [row["status"] for row in rows] == ["failed"] * 5


def test_nothing_runs_that_the_environment_does_not_allow(spear):
    done = spear(BLOCKS[1].splitlines()[1], packages="")
    assert done.code == 1
    assert "which is not in the packages that a configuration may run" in done.message
    assert "SPEAR_PACKAGES" in done.message


@pytest.mark.slow
def test_its_own_tests_pass(copy):
    done = shell(f"'{sys.executable}' -m pytest -q -p no:cacheprovider", copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_its_wheel_has_the_configuration(copy, tmp_path):
    build = "-m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir"
    done = shell(f"'{sys.executable}' {build} '{tmp_path}' .", copy)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("own_attack-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    package = EXAMPLE / "own_attack"
    files = [each for each in package.rglob("*") if each.suffix in {".py", ".yaml"}]
    assert len(files) > 9
    assert {each.relative_to(EXAMPLE).as_posix() for each in files} <= names
