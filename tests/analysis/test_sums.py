"""Sums of the committed records: a number altered in any column is noticed."""

import csv
import shutil
import subprocess
from pathlib import Path

import pytest

from spear.analysis.records.store import RESULTS, collected_folders
from spear.analysis.records.sums import SUMS, BrokenSums, changed, read_sums, write_sums

RENEW = "`spear collect` renews the sums, and `git log -p results` shows what altered a record"


def test_every_file_of_a_record_is_as_it_was_collected():
    assert not changed(RESULTS), RENEW


def test_coreutils_reads_the_file():
    command = shutil.which("sha256sum")
    if command is None:
        pytest.skip("there is no sha256sum")
    subprocess.run([command, "--check", "--quiet", SUMS], cwd=RESULTS, check=True)


def test_each_file_has_one_line_and_the_lines_are_sorted():
    lines = (RESULTS / SUMS).read_text().splitlines()
    paths = [line.split("  ", 1)[1] for line in lines]
    assert paths == sorted(set(paths))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of one small record with its sums."""
    shutil.copytree(RESULTS / "table2_sampling", tmp_path / "table2_sampling")
    write_sums(tmp_path, ["table2_sampling"])
    assert changed(tmp_path) == []
    return tmp_path


COLUMNS = (RESULTS / "table2_sampling" / "batches.csv").read_text().splitlines()[0].split(",")


@pytest.mark.parametrize("column", [each for each in COLUMNS if each != "job"])
def test_a_value_altered_in_any_column_is_noticed(column, root):
    path = root / "table2_sampling" / "batches.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[3][column] += "1"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    assert changed(root) == ["table2_sampling/batches.csv"]


def test_a_file_that_is_gone_or_new_is_noticed(root):
    own = root / "table2_sampling"
    (own / "batches.csv").unlink()
    (own / "b=2.jpg").write_bytes(b"x")
    assert changed(root) == ["table2_sampling/b=2.jpg", "table2_sampling/batches.csv"]
    write_sums(root, ["table2_sampling"])
    assert changed(root) == []


def test_sums_of_other_experiments_are_kept(root):
    before = read_sums(root)
    shutil.copytree(root / "table2_sampling", root / "other")
    assert changed(root) == ["other/batches.csv", "other/jobs.json"]
    write_sums(root, ["other"])
    assert changed(root) == []
    assert before.items() < read_sums(root).items()


def test_sums_of_a_removed_experiment_are_left_out(root):
    shutil.copytree(root / "table2_sampling", root / "other")
    write_sums(root, ["other"])
    shutil.rmtree(root / "other")
    assert changed(root) == ["other/batches.csv", "other/jobs.json"]
    write_sums(root, ["other"])
    assert changed(root) == []
    assert read_sums(root)


@pytest.mark.parametrize("line", ["<<<<<<< HEAD", "", "0123  table2_sampling/jobs.json"])
def test_a_broken_line_is_named(line, root):
    lines = (root / SUMS).read_text().splitlines()
    (root / SUMS).write_text("\n".join([lines[0], line, *lines[1:]]))
    with pytest.raises(BrokenSums, match=f"line 2 of .*{SUMS} is '{line}'; expected"):
        changed(root)


def test_every_record_has_its_sums():
    assert {path.partition("/")[0] for path in read_sums(RESULTS)} == {
        folder.name for folder in collected_folders(RESULTS)
    }
