"""Files by which the jobs of a sweep report to the process that started it, under any launcher."""

import json
import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from spear.experiments.job.outcome import JobOutcome
from spear.experiments.record.files import CannotWrite, write_json

VARIABLE = "SPEAR_SWEEP"
"""Environment variable that tells a job of a sweep the folder of the sweep's journal."""

FOLDER = ".sweeps"
"""Folder of journals, beside the run folders."""


@dataclass(frozen=True)
class Entry:
    """State of a job, as its sweep knows it.

    Attributes:
        name: name of its run folder.
        overrides: overrides that run it alone.
        outcome: outcome so far.
        reason: reason of a failure, or of batches that were not recovered, in a sentence.
        seconds: seconds that it took.
    """

    name: str
    overrides: list[str]
    outcome: JobOutcome
    reason: str = ""
    seconds: float = 0.0


ENDED = (JobOutcome.DONE, JobOutcome.SKIPPED, JobOutcome.FAILED)
"""Outcomes that stay; a job that was interrupted may be started again by its launcher."""


class Journal:
    """Folder with a small file for each job that has begun.

    Args:
        folder: path that all jobs can reach, like that of their run folders.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ended: dict[int, Entry] = {}

    @classmethod
    def new(cls, sweep: Path) -> Self:
        """Return the journal of a sweep that begins, whose run folders are in `sweep`."""
        return cls((sweep / FOLDER / secrets.token_hex(4)).absolute())

    @classmethod
    def of_this_job(cls) -> Self | None:
        """Return the journal of this job's sweep, or None if the job is in none."""
        folder = os.environ.get(VARIABLE)
        return cls(Path(folder)) if folder else None

    @property
    def sweep(self) -> Path:
        """Folder of the run folders."""
        return self.folder.parents[1]

    def write(self, number: int, entry: Entry) -> None:
        """Record the state of job `number`. If the disk is full, the job itself reports that."""
        with suppress(CannotWrite, OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self.folder / f"{number}.json", asdict(entry))

    def read(self) -> dict[int, Entry]:
        """Return the state that each job has recorded, by its number.

        The file of a job that has ended is read once: a sweep of many jobs looks often.
        """
        entries = {}
        for path in self.folder.glob("[0-9]*.json"):
            number = int(path.stem)
            entries[number] = self._ended.get(number) or _read(path)
        self._ended = {number: each for number, each in entries.items() if each.outcome in ENDED}
        return dict(sorted(entries.items()))

    def remove(self) -> None:
        """Delete the journal; the jobs' own folders have the same information."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):  # another sweep's is beside it
            self.folder.parent.rmdir()


def _read(path: Path) -> Entry:
    content = json.loads(path.read_text(encoding="utf-8"))
    return Entry(**content | {"outcome": JobOutcome(content["outcome"])})
