"""How the jobs of a sweep tell the process that started it how they are, by whatever launcher."""

import json
import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from spear.experiments.job.status import JobOutcome
from spear.experiments.record.files import CannotWrite, write_json

VARIABLE = "SPEAR_SWEEP"
"""Environment variable by which a job knows that it is one of a sweep, and its journal."""

FOLDER = ".sweeps"
"""Beside the run folders."""


@dataclass(frozen=True)
class Entry:
    """What is known of a job.

    Attributes:
        name: of its run folder.
        overrides: by which it can be run alone.
        outcome: so far.
        reason: of a failure, in a sentence.
        seconds: that it took.
    """

    name: str
    overrides: list[str]
    outcome: JobOutcome
    reason: str = ""
    seconds: float = 0.0


class Journal:
    """A small file for each job that has begun.

    Args:
        folder: seen by all jobs, as their run folders are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def new(cls, sweep: Path) -> Self:
        """Of a sweep that begins, whose run folders are in `sweep`."""
        return cls((sweep / FOLDER / secrets.token_hex(4)).absolute())

    @classmethod
    def of_this_job(cls) -> Self | None:
        """None where the job is not one of a sweep."""
        folder = os.environ.get(VARIABLE)
        return cls(Path(folder)) if folder else None

    @property
    def sweep(self) -> Path:
        """Where the run folders are."""
        return self.folder.parents[1]

    def write(self, number: int, entry: Entry) -> None:
        """Say how job `number` is. Without room for that the job itself says more."""
        with suppress(CannotWrite, OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self.folder / f"{number}.json", asdict(entry))

    def read(self) -> dict[int, Entry]:
        """What the jobs have said, by their numbers."""
        entries = {}
        for path in self.folder.glob("[0-9]*.json"):
            content = json.loads(path.read_text())
            entries[int(path.stem)] = Entry(**content | {"outcome": JobOutcome(content["outcome"])})
        return dict(sorted(entries.items()))

    def remove(self) -> None:
        """Delete it; the jobs' own folders say the same."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):  # another sweep's is beside it
            self.folder.parent.rmdir()
