"""Trackers of jobs: Weights & Biases, or none. They come on top of the run folder."""

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

LONGEST_REASON = 300
"""Characters of an error in a warning."""

ANSWERS_WITHIN = 10.0
"""Seconds in which a server must answer to be used."""

RECEIVES_WITHIN = 60.0
"""Seconds in which it must receive the rest when a job is done."""


@dataclass(frozen=True)
class TrackedJob:
    """Job that begins or goes on, as its tracker sees it.

    Attributes:
        experiment: name of its experiment.
        group: name of its group of runs: the sweep's own name, or the experiment's.
        tags: the experiment and the choices of the job.
        key: `Key.digest`, the same when the job goes on.
        config: resolved configuration.
        folder: run folder.
        records: records of the batches that earlier runs completed.
    """

    experiment: str
    group: str
    tags: list[str]
    key: str
    config: dict[str, Any]
    folder: Path
    records: list[BatchRecord]

    @property
    def id(self) -> str:
        """Return an id that every run of this job has, and no other job's."""
        place = "" if self.group == self.experiment else f"{self.group}/"
        name = f"{place}{self.experiment}/{self.folder.name}/{self.key}"
        return hashlib.sha256(name.encode()).hexdigest()[:16]


class Tracking(Protocol):
    """Tracker of one job. A new one implements these methods and has a file in `conf/tracking/`."""

    def start(self, job: TrackedJob) -> None:
        """Begin; called before the first batch."""
        ...

    def batch(self, record: BatchRecord) -> None:
        """Take the record of each batch."""
        ...

    def finish(self, summary: dict[str, Any], records: list[BatchRecord], picture: Path) -> None:
        """Take the results after the last batch. The file `picture` may not exist."""
        ...

    def close(self, failed: bool) -> list[str]:
        """End, also after an error; return lines that tell the user where the tracked run is."""
        ...


class NoTracking:
    """Tracker that does nothing: the run folder is the only record."""

    def start(self, job: TrackedJob) -> None:
        """Do nothing."""

    def batch(self, record: BatchRecord) -> None:
        """Do nothing."""

    def finish(self, summary: dict[str, Any], records: list[BatchRecord], picture: Path) -> None:
        """Do nothing."""

    def close(self, failed: bool) -> list[str]:
        """Return no lines."""
        return []


class WandbTracking:
    """Tracker with one W&B run for each job.

    A run has the job's configuration, series of its numbers, a table of its batches, its summary
    and its reconstructions.

    What goes wrong at W&B costs no result: the job goes on without it, and says so once.

    Args:
        mode: `offline` writes the run to the run folder; `online` also streams it as long as the
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
        """Open the run, offline if the server does not answer.

        If the job goes on, the run replaces the earlier one and has its batches, too. A resumed run
        would lack batches that W&B had counted but not received when the job broke off. The earlier
        run's files are deleted: one of them may be cut short, which keeps `wandb sync` from
        uploading any.

        Raises:
            ConfigError: W&B refuses to go online, for instance because nobody is logged in.
        """
        try:
            self._start(job)
        except ConfigError:
            raise
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.run = None
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST_REASON]
        log.warning("Weights & Biases cannot be used (%s); the job goes on without it", reason)

    def _start(self, job: TrackedJob) -> None:
        if self.mode == "online" and (reason := no_answer(wandb.setup().settings.base_url)):
            log.warning("Weights & Biases does not answer (%s); the run is kept offline", reason)
            self.mode = "offline"
        try:
            self.run = wandb.init(
                mode=self.mode,
                project=self.project,
                entity=self.entity,
                id=job.id,
                group=job.group,
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
            if self.mode == "offline":
                raise
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
        """Log the batch's numbers; the step is the number of the batch."""
        if self.run is None:
            return
        numbers = {k: v for k, v in record.cells().items() if not isinstance(v, str)}
        row = {f"batch/{key}": value for key, value in numbers.items()}
        try:
            self.run.log(row, step=record.batch, commit=True)
        except Exception as error:
            self._give_up(error)

    def finish(self, summary: dict[str, Any], records: list[BatchRecord], picture: Path) -> None:
        """Log the table of batches, the picture and the summary."""
        if self.run is None:
            return
        try:
            self._finish(summary, records, picture)
        except Exception as error:
            self._give_up(error)

    def _finish(self, summary: dict[str, Any], records: list[BatchRecord], picture: Path) -> None:
        rows = [record.cells() for record in records]
        table = wandb.Table(columns=[*rows[0]], data=[[*row.values()] for row in rows])
        content: dict[str, Any] = {"batches": table}
        if picture.exists():
            content["reconstructions"] = wandb.Image(str(picture))
        self.run.log(content)
        self.run.summary.update(summary)

    def close(self, failed: bool) -> list[str]:
        """Finish the run as failed or successful; return the lines that name it."""
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
            return [f"W&B run, which the server received only in part: {where}", sync]
        except Exception as error:
            self._give_up(error)
            return []
        return lines


def no_answer(url: str) -> str:
    """Return the reason that a server cannot be used, or an empty string."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWERS_WITHIN):
            return ""
    except urllib.error.HTTPError as error:  # any page will do, so that "not found" is an answer
        return str(error) if error.code >= http.HTTPStatus.INTERNAL_SERVER_ERROR else ""
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {getattr(error, 'reason', error)}"
