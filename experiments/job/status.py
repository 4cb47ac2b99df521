"""State of a job, `status.json`, from which an interrupted job goes on."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from spear.experiments.job.key import Key
from spear.experiments.job.outcome import JobOutcome
from spear.experiments.record.files import write_json
from spear.experiments.record.run_files import STATUS


@dataclass
class JobState:
    """Content of `status.json`.

    Attributes:
        outcome: outcome of the last run in this folder.
        reason: reason of a failure, in a sentence.
        key: `Key.digest` of the results here; empty if a run failed before it had one.
        parts: the parts of that key.
        choices: chosen files of the configuration by group.
        overrides: what the command set, `key=value` each.
        number: number of the job in its last sweep; None outside a sweep.
    """

    outcome: JobOutcome = JobOutcome.RUNNING
    reason: str = ""
    key: str = ""
    parts: dict[str, str] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)
    number: int | None = None

    @classmethod
    def new(cls, key: Key) -> Self:
        """Return the state of a job that begins."""
        return cls(key=key.digest, parts=asdict(key))

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return the state in a folder, or None if there is none or it is incomplete."""
        try:
            content = json.loads((folder / STATUS).read_text(encoding="utf-8"))
            outcome = JobOutcome(content.pop("outcome"))
            content.pop("batches", None)  # earlier versions had the traces here
            return cls(outcome=outcome, **content)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def write(self, folder: Path) -> None:
        """Replace the folder's `status.json`."""
        write_json(folder / STATUS, vars(self))
