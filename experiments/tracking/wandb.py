"""Weights & Biases, or nothing: a place for a job's record besides its run folder."""

import hashlib
import http.client
import logging
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import wandb

from spear.errors import ConfigError
from spear.experiments.record.files import shown
from spear.experiments.record.records import BatchRecord

log = logging.getLogger(__name__)

LONGEST_TAG = 64
"""Characters; W&B refuses more."""

ANSWERS_WITHIN = 10.0
"""Seconds in which a server must answer to be used."""

RECEIVES_WITHIN = 60.0
"""Seconds that it has for what is left to send when a job is done."""


@dataclass(frozen=True)
class TrackedJob:
    """Job that begins, or goes on.

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
        """Return an id that every run of this job has, and no other job's."""
        name = f"{self.experiment}/{self.folder.name}/{self.key}"
        return hashlib.sha256(name.encode()).hexdigest()[:16]


class Tracking(Protocol):
    """Follows one job; a new tracker implements these and gets a file in `conf/tracking/`."""

    def start(self, job: TrackedJob) -> None:
        """Begin, before the first batch."""
        ...

    def batch(self, record: BatchRecord) -> None:
        """Take the record of each batch."""
        ...

    def finish(self, summary: dict[str, Any], records: list[BatchRecord], picture: Path) -> None:
        """Take the results after the last batch; `picture` may not exist."""
        ...

    def close(self, failed: bool) -> list[str]:
        """End, also after an error; return lines that tell the user where to look."""
        ...


class NoTracking:
    """Keeps the job in its run folder alone."""

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
    """Makes a W&B run per job: its config, series of its numbers, a table of its batches, its
    summary and its reconstructions.

    Args:
        mode: `offline` writes the run to the run folder, `online` streams it, too, as long as its
            server answers.
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
        """Open the run. If the job goes on, it takes the place of the earlier one, with the
        batches of that: resumed, it would lack those that W&B knew of, from the summary, but had
        not received when it broke off. What that left on disk may be cut short, and one such file
        keeps `wandb sync` from all others; it goes. Without an answer from the server the run is an
        offline one.

        Raises:
            ConfigError: W&B refuses, for instance for want of a login.
        """
        if self.mode == "online" and (reason := no_answer(wandb.setup().settings.base_url)):
            log.warning("Weights & Biases does not answer (%s); the run is kept offline", reason)
            self.mode = "offline"
        try:
            self.run = wandb.init(
                mode=self.mode,
                project=self.project,
                entity=self.entity,
                id=job.id,
                group=job.experiment,
                tags=sorted({tag[:LONGEST_TAG] for tag in job.tags}),
                name=job.folder.name,
                config=job.config,
                dir=job.folder,
                reinit="finish_previous",
                settings=wandb.Settings(
                    silent=True,
                    console="off",
                    save_code=False,
                    finish_timeout=RECEIVES_WITHIN,
                    finish_timeout_raises=True,
                ),
            )
        except wandb.Error as error:
            raise ConfigError(
                f"Weights & Biases did not start ({' '.join(str(error).split())}); run "
                "`wandb login`, or use tracking=offline or tracking=off."
            ) from error
        for earlier in (job.folder / "wandb").glob(f"*run-*-{job.id}*"):
            if earlier != Path(self.run.dir).parent:
                shutil.rmtree(earlier)
        for record in job.records:
            self.batch(record)

    def batch(self, record: BatchRecord) -> None:
        """Log the batch's numbers as the step of its number in a series."""
        numbers = {k: v for k, v in record.cells().items() if not isinstance(v, str)}
        row = {f"batch/{key}": value for key, value in numbers.items()}
        self.run.log(row, step=record.batch, commit=True)

    def finish(self, summary: dict[str, Any], records: list[BatchRecord], picture: Path) -> None:
        """Log the table of batches, the picture and the summary."""
        rows = [record.cells() for record in records]
        table = wandb.Table(columns=[*rows[0]], data=[[*row.values()] for row in rows])
        content: dict[str, Any] = {"batches": table}
        if picture.exists():
            content["reconstructions"] = wandb.Image(str(picture))
        self.run.log(content)
        self.run.summary.update(summary)

    def close(self, failed: bool) -> list[str]:
        """Finish the run, as failed or not."""
        if self.run is None:
            return []
        where = shown(Path(self.run.dir).parent)
        sync = f"  to upload it: wandb sync {where}"
        lines = [f"W&B offline run: {where}", sync]
        if self.mode == "online":
            lines = [f"W&B run: {self.run.url}"]
        try:
            self.run.finish(exit_code=int(failed))
        except TimeoutError:
            return [f"W&B run, not all of which was received: {where}", sync]
        return lines


def no_answer(url: str) -> str:
    """Return why a server cannot be used, or an empty string."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWERS_WITHIN):
            return ""
    except urllib.error.HTTPError as error:  # any page will do, so that "not found" is an answer
        return str(error) if error.code >= http.HTTPStatus.INTERNAL_SERVER_ERROR else ""
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {getattr(error, 'reason', error)}"
