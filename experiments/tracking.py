"""Weights & Biases, or nothing: where a job's record goes besides its run folder."""

import hashlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Protocol

import wandb

from experiments.files import shown
from experiments.records import BatchRecord
from spear.errors import ConfigError

LONGEST_TAG = 64
"""Characters; W&B refuses more."""


@dataclass(frozen=True)
class TrackedJob:
    """A job that begins, or goes on.

    Attributes:
        experiment: its name.
        tags: the experiment and the choices of the job.
        key: `Key.digest`: the same when the job goes on.
        config: resolved.
        folder: its run folder.
        records: the batches that earlier runs left.
    """

    experiment: str
    tags: list[str]
    key: str
    config: dict[str, Any]
    folder: Path
    records: list[BatchRecord]

    @property
    def id(self) -> str:
        """The same for every run of this job, and no other job's."""
        name = f"{self.experiment}/{self.folder.name}/{self.key}"
        return hashlib.sha256(name.encode()).hexdigest()[:16]


class Tracking(Protocol):
    """Follows one job; a new tracker implements these and gets a file in `conf/tracking/`."""

    def start(self, job: TrackedJob) -> None:
        """Before the first batch."""
        ...

    def batch(self, record: BatchRecord) -> None:
        """After each batch."""
        ...

    def finish(self, summary: dict[str, Any], records: list[BatchRecord], picture: Path) -> None:
        """After the last batch; `picture` may not exist."""
        ...

    def close(self, failed: bool) -> list[str]:
        """Always, also after an error; returns lines that tell the user where to look."""
        ...


class NoTracking:
    """The run folder is all there is."""

    def start(self, job: TrackedJob) -> None:
        """Nothing to open."""

    def batch(self, record: BatchRecord) -> None:
        """Nothing to log to."""

    def finish(self, summary: dict[str, Any], records: list[BatchRecord], picture: Path) -> None:
        """Nothing to upload."""

    def close(self, failed: bool) -> list[str]:
        """Nothing to say."""
        return []


class WandbTracking:
    """One W&B run a job: its config, a metric series and a table of its batches, its summary and
    its reconstructions.

    Args:
        mode: `offline` writes the run to the run folder, `online` streams it.
        project: W&B project.
        entity: W&B user or team; None for the user's default.
    """

    def __init__(
        self, mode: str = "offline", project: str = "spear", entity: str | None = None
    ) -> None:
        if mode not in ("offline", "online"):
            raise ConfigError(f"tracking.mode is {mode!r}; expected 'offline' or 'online'.")
        self.mode: Literal["offline", "online"] = "online" if mode == "online" else "offline"
        self.project = project
        self.entity = entity
        self.run: Any = None

    def start(self, job: TrackedJob) -> None:
        """Open the run, or that of the earlier runs of the job, whose batches are logged to it
        unless it has them. An offline run has none: the last of a job's is whole by itself.

        Raises:
            ConfigError: W&B refuses, for instance for want of a login.
        """
        try:
            self.run = wandb.init(
                mode=self.mode,
                project=self.project,
                entity=self.entity,
                id=job.id,
                resume="allow" if job.records else None,
                group=job.experiment,
                tags=sorted({tag[:LONGEST_TAG] for tag in job.tags}),
                name=job.folder.name,
                config=job.config,
                dir=job.folder,
                reinit="finish_previous",
                settings=wandb.Settings(silent=True, console="off", save_code=False),
            )
        except wandb.Error as error:
            raise ConfigError(
                f"Weights & Biases did not start ({' '.join(str(error).split())}); run "
                "`wandb login`, or use tracking=offline or tracking=off."
            ) from error
        for record in job.records:
            if record.batch >= self.run.step:
                self.batch(record)

    def batch(self, record: BatchRecord) -> None:
        """Log the batch's numbers as the step of its number in a series."""
        numbers = {k: v for k, v in asdict(record).items() if not isinstance(v, str)}
        row = {f"batch/{key}": value for key, value in numbers.items()}
        self.run.log(row, step=record.batch, commit=True)

    def finish(self, summary: dict[str, Any], records: list[BatchRecord], picture: Path) -> None:
        """Log the table of batches, the picture and the summary."""
        columns = [field.name for field in fields(BatchRecord)]
        rows = [[getattr(record, name) for name in columns] for record in records]
        content: dict[str, Any] = {"batches": wandb.Table(columns=columns, data=rows)}
        if picture.exists():
            content["reconstructions"] = wandb.Image(str(picture))
        self.run.log(content)
        self.run.summary.update(summary)

    def close(self, failed: bool) -> list[str]:
        """Finish the run, as failed or not."""
        if self.run is None:
            return []
        where = shown(Path(self.run.dir).parent)
        lines = [f"W&B offline run: {where}", f"  to upload it: wandb sync {where}"]
        if self.mode == "online":
            lines = [f"W&B run: {self.run.url}"]
        self.run.finish(exit_code=int(failed))
        return lines
