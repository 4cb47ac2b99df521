"""Records of an experiment's jobs, read from run folders or from collected files.

A collected experiment is two files. `batches.csv` has every batch of every job, with the name of
its job in front. `jobs.json` has the configuration and the summary of each job; values that all
share are written once (`spear.analysis.records.sharing`). The picture of a job is `<job>.jpg`
beside them, its sheet (`spear.scoring.sheet.image_sheet`) `<job>.png`, and its sentences or rows
`<job>.csv`.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Any, Self

import spear
from spear.analysis.records.run_folder import (
    ABSENT,
    JOB,
    read_batches,
    read_config,
    read_summary,
    readable,
)
from spear.analysis.records.sharing import from_json
from spear.experiments.config.experiments import current_name
from spear.experiments.record.run_files import BATCHES, PICTURE, ROWS, SHEET, SUMMARY

HERE = Path("results")
"""Folder of the user's results, below the working directory; commands write nowhere else."""

RESULTS = (Path(spear.__file__).parent / HERE).resolve()
"""Folder of the committed results, which come with the package; `HERE` in a checkout's root."""

RENDERED = "rendered"
"""Folder in either of them, for the tables and figures made from its results."""

JOBS = "jobs.json"
"""File beside the collected batches."""


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
        texts: path of its sentences or rows of a table, likewise.
    """

    jobs: dict[str, dict[str, Any]]
    batches: str
    pictures: dict[str, Path]
    sheets: dict[str, Path]
    texts: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def from_runs(cls, folders: Iterable[Path]) -> Self:
        """Read the folders of complete jobs, whose names must differ.

        Raises:
            Damaged: a file is not as it was written.
        """
        jobs, pictures, sheets, texts = {}, {}, {}, {}
        rows: Rows = {}
        for folder in folders:
            jobs[folder.name] = {"config": read_config(folder), "summary": read_summary(folder)}
            rows[folder.name] = read_batches(folder)
            pictures[folder.name] = folder / PICTURE
            sheets[folder.name] = folder / SHEET
            texts[folder.name] = folder / ROWS
        return cls(jobs, to_csv(rows), pictures, sheets, texts)

    @classmethod
    def from_collected(cls, folder: Path) -> Self:
        """Read an experiment's collected files."""
        jobs = read_jobs(folder)
        batches = (folder / BATCHES).read_text(encoding="utf-8")
        pictures = {name: collected_picture(folder, name) for name in jobs}
        sheets = {name: collected_sheet(folder, name) for name in jobs}
        texts = {name: collected_text(folder, name) for name in jobs}
        return cls(jobs, batches, pictures, sheets, texts)

    @classmethod
    def together(cls, parts: Mapping[str, Self]) -> Self:
        """Return all jobs of several folders; each name begins with its folder if there are two.

        Args:
            parts: records by the name of their folder.
        """
        if len(parts) == 1:
            return next(iter(parts.values()))
        named = {
            f"{folder}/{job}": (part, job) for folder, part in parts.items() for job in part.jobs
        }
        rows = {folder: part.rows() for folder, part in parts.items()}
        return cls(
            {name: part.jobs[job] for name, (part, job) in named.items()},
            to_csv({f"{k}/{job}": own for k, each in rows.items() for job, own in each.items()}),
            {name: part.pictures[job] for name, (part, job) in named.items()},
            {name: part.sheets[job] for name, (part, job) in named.items()},
            {name: part.texts[job] for name, (part, job) in named.items()},
        )

    def of_experiments(self) -> dict[str, Self]:
        """Return the jobs of each experiment apart, by the name that their summaries have."""
        rows, found = self.rows(), dict.fromkeys(map(experiment_of, self.jobs.values()))
        if len(found) == 1:
            return dict.fromkeys(found, self)
        return {name: self._only(name, rows) for name in found}

    def _only(self, experiment: str, rows: Rows) -> Self:
        jobs = {name: job for name, job in self.jobs.items() if experiment_of(job) == experiment}
        return type(self)(
            jobs,
            to_csv({name: rows[name] for name in jobs}),
            {name: self.pictures[name] for name in jobs},
            {name: self.sheets[name] for name in jobs},
            {name: self.texts[name] for name in jobs},
        )

    def rows(self) -> Rows:
        """Return the batches, parsed."""
        rows: Rows = {name: [] for name in self.jobs}
        for row in csv.DictReader(StringIO(self.batches, newline="")):
            rows[row.pop(JOB)].append(row)
        return rows


def experiment_of(job: dict[str, Any]) -> str:
    """Return the present name of a job's experiment, from its summary."""
    return current_name(str(job["summary"]["experiment"]))


def to_csv(rows: Rows) -> str:
    """Return batches as CSV. A column that only some jobs have is placed as these jobs have it."""
    headers = dict.fromkeys(tuple(row) for name in sorted(rows) for row in rows[name])
    columns = union((JOB, *header) for header in headers)
    text = StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval=ABSENT, lineterminator="\n")
    writer.writeheader()
    writer.writerows({JOB: name, **row} for name in sorted(rows) for row in rows[name])
    return text.getvalue()


def read_jobs(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the `config` and the `summary` of each job of a collected experiment, by its name."""
    with readable(folder / JOBS):
        return from_json((folder / JOBS).read_text(encoding="utf-8"))


def collected_picture(folder: Path, job: str) -> Path:
    """Return the path of a collected job's picture, which may not exist."""
    return folder / f"{job}.jpg"


def collected_sheet(folder: Path, job: str) -> Path:
    """Return the path of a collected job's sheet, which may not exist."""
    return folder / f"{job}.png"


def collected_text(folder: Path, job: str) -> Path:
    """Return the path of a collected job's sentences or rows, which may not exist."""
    return folder / f"{job}.csv"


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
    return [recorded for _, recorded in read_folders(root)]


def read_folders(root: Path) -> list[tuple[Path, Recorded]]:
    """Return what `read` returns, each with the folder of its run folders or collected files."""
    runs = groupby(run_folders(root), key=lambda folder: folder.parent)
    return [(parent, Recorded.from_runs(folders)) for parent, folders in runs] + [
        (folder, Recorded.from_collected(folder)) for folder in collected_folders(root)
    ]


def union(headers: Iterable[tuple[str, ...]]) -> list[str]:
    """Return all columns; a new one is inserted after its neighbour on the left."""
    columns: list[str] = []
    for header in headers:
        place = 0
        for column in header:
            if column not in columns:
                columns.insert(place, column)
            place = columns.index(column) + 1
    return columns
