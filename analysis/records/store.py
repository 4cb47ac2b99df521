"""Records of an experiment's jobs, read from run folders or from collected files.

A collected experiment is two files. `batches.csv` has every batch of every job, with the name of
its job in front. `jobs.json` has the configuration and the summary of each job; values that all
share are written once (`spear.analysis.records.sharing`). The picture of a job is `<job>.jpg`
beside them, its sheet (`spear.scoring.sheet.image_sheet`) `<job>.png`.
"""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Any, Self

import yaml

import spear
from spear.analysis.records.sharing import from_json
from spear.experiments.record.run_files import BATCHES, CONFIG, PICTURE, SHEET, SUMMARY

HERE = Path("results")
"""Folder of the user's results, below the working directory; commands write nowhere else."""

RESULTS = (Path(spear.__file__).parent / HERE).resolve()
"""Folder of the committed results, which come with the package; `HERE` in a checkout's root."""

RENDERED = "rendered"
"""Folder in either of them, for the tables and figures made from its results."""

JOB = "job"
"""The first column of collected batches."""

JOBS = "jobs.json"
"""File beside the collected batches."""

ABSENT = "nan"
"""Value in a column that a job's batches do not have, as for any missing number."""


Rows = dict[str, list[dict[str, str]]]
"""Name of a job -> its batches, each a mapping from columns to text."""


@dataclass(frozen=True)
class Recorded:
    """Records of one experiment's jobs, by the names of their run folders.

    Attributes:
        jobs: resolved `config` and `summary` of each job.
        batches: every batch of every job as CSV, sorted by job, which is the first column.
        pictures: path of the picture of each job's first batch; the file may not exist.
        sheets: path of the same images without labels, likewise.
    """

    jobs: dict[str, dict[str, Any]]
    batches: str
    pictures: dict[str, Path]
    sheets: dict[str, Path]

    @classmethod
    def from_runs(cls, folders: Iterable[Path]) -> Self:
        """Read the folders of complete jobs, whose names must differ."""
        jobs, pictures, sheets = {}, {}, {}
        rows: Rows = {}
        for folder in folders:
            config = yaml.load((folder / CONFIG).read_text(), yaml.CSafeLoader)  # far faster
            summary = json.loads((folder / SUMMARY).read_text())
            jobs[folder.name] = {"config": config, "summary": summary}
            with (folder / BATCHES).open(newline="") as file:
                rows[folder.name] = list(csv.DictReader(file))
            pictures[folder.name] = folder / PICTURE
            sheets[folder.name] = folder / SHEET
        return cls(jobs, to_csv(rows), pictures, sheets)

    @classmethod
    def from_collected(cls, folder: Path) -> Self:
        """Read an experiment's collected files."""
        jobs = read_jobs(folder)
        batches = (folder / BATCHES).read_text()
        pictures = {name: collected_picture(folder, name) for name in jobs}
        sheets = {name: collected_sheet(folder, name) for name in jobs}
        return cls(jobs, batches, pictures, sheets)

    def rows(self) -> Rows:
        """Return the batches, parsed."""
        rows: Rows = {name: [] for name in self.jobs}
        for row in csv.DictReader(StringIO(self.batches, newline="")):
            rows[row.pop(JOB)].append(row)
        return rows


def to_csv(rows: Rows) -> str:
    """Return batches as CSV. A column that only some jobs have is placed as these jobs have it."""
    together = [{JOB: name, **row} for name in sorted(rows) for row in rows[name]]
    columns = _union(dict.fromkeys(map(tuple, together)))
    text = StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval=ABSENT, lineterminator="\n")
    writer.writeheader()
    writer.writerows(together)
    return text.getvalue()


def read_jobs(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the `config` and the `summary` of each job of a collected experiment, by its name."""
    return from_json((folder / JOBS).read_text())


def collected_picture(folder: Path, job: str) -> Path:
    """Return the path of a collected job's picture, which may not exist."""
    return folder / f"{job}.jpg"


def collected_sheet(folder: Path, job: str) -> Path:
    """Return the path of a collected job's sheet, which may not exist."""
    return folder / f"{job}.png"


def experiment_folder(experiment: str, root: Path | None = None) -> Path:
    """Return the folder of an experiment's results, which may not exist.

    Args:
        experiment: name of the experiment.
        root: folder of experiments. If None, it is `HERE` if the experiment was collected there,
            else `RESULTS`.
    """
    if root is None:
        root = HERE if (HERE / experiment / JOBS).is_file() else RESULTS
    return root / experiment


def run_folders(root: Path) -> list[Path]:
    """Return the folders of complete jobs at or below `root`, sorted."""
    return sorted(path.parent for path in root.resolve().rglob(SUMMARY))


def collected_folders(root: Path) -> list[Path]:
    """Return the folders of collected experiments at or below `root`, sorted."""
    return sorted(path.parent for path in root.resolve().rglob(JOBS))


def read(root: Path) -> list[Recorded]:
    """Return every experiment at or below `root`: folders of runs, then collected files."""
    runs = groupby(run_folders(root), key=lambda folder: folder.parent)
    return [Recorded.from_runs(folders) for _, folders in runs] + [
        Recorded.from_collected(folder) for folder in collected_folders(root)
    ]


def _union(headers: Iterable[tuple[str, ...]]) -> list[str]:
    """Return all columns; a new one is inserted after its neighbour on the left."""
    columns: list[str] = []
    for header in headers:
        place = 0
        for column in header:
            if column not in columns:
                columns.insert(place, column)
            place = columns.index(column) + 1
    return columns
