"""Trackers of jobs: Weights & Biases, or none. They come on top of the run folder."""

import hashlib
import http.client
import logging
import math
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import wandb
from PIL import Image

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

PICTURES = 4
"""Batches of a job whose images are logged as they are done; the first also has a figure."""

CHOICES = "choices"
"""Key of a run's configuration with the names of the chosen files, by which W&B can group."""

BATCHES, RECONSTRUCTIONS, IMAGES = "batches", "reconstructions", "images"
"""Keys of a run's summary: the table of its batches, the figure of the first, the latest images."""

STEP = "batch/batch"
"""Series of the batches' numbers, over which the others are drawn."""

RECEIVES_WITHIN = 60.0
"""Seconds in which it must receive the rest when a job is done."""


@dataclass(frozen=True)
class TrackedJob:
    """Job that begins or goes on, as its tracker sees it.

    Attributes:
        experiment: name of its experiment.
        group: name of its group of runs: the sweep's own name, or the experiment's.
        tags: the experiment and the choices of the job.
        choices: group -> name of the chosen file (`attack`: `spear_irls`, `attack/settings` ...).
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
    choices: dict[str, str] = field(default_factory=dict)

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

    def wants_images(self, place: int) -> bool:
        """Return whether `images` is to be called for the batch at this place, from 0."""
        ...

    def images(self, number: int, sheet: Image.Image, caption: str) -> None:
        """Take a batch's images, originals above reconstructions; `batch` follows."""
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

    def wants_images(self, place: int) -> bool:
        """Return False."""
        return False

    def images(self, number: int, sheet: Image.Image, caption: str) -> None:
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

    A run has the job's configuration with the names of all choices (`choices.attack`), series of
    its numbers over its batches, whose means are in the summary, a table of its batches, its
    summary, and images of its first batches. Its type is the attack's name.

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
                job_type=job.choices.get("attack"),
                tags=sorted({tag[:LONGEST_TAG] for tag in job.tags}),
                name=job.folder.name,
                config=job.config | {CHOICES: job.choices},
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
        self.run.define_metric(STEP, summary="none")
        self.run.define_metric("batch/*", step_metric=STEP, summary="mean")
        for record in job.records:
            self.batch(record)

    def wants_images(self, place: int) -> bool:
        """Return whether the batch is one of the first `PICTURES`."""
        return self.run is not None and place < PICTURES

    def images(self, number: int, sheet: Image.Image, caption: str) -> None:
        """Log the images at the step of their batch."""
        if self.run is None:
            return
        try:
            self.run.log({IMAGES: wandb.Image(sheet, caption=caption)}, step=number, commit=False)
        except Exception as error:
            self._give_up(error)

    def batch(self, record: BatchRecord) -> None:
        """Log the numbers that the batch has; the step is the number of the batch."""
        if self.run is None:
            return
        row = {f"batch/{key}": value for key, value in _numbers(record).items()}
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
        content: dict[str, Any] = {BATCHES: table}
        if picture.exists():
            content[RECONSTRUCTIONS] = wandb.Image(str(picture), caption=_caption(records[0]))
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


def _numbers(record: BatchRecord) -> dict[str, float]:
    """Return the numbers of a batch; those that it lacks would be series of NaN, and empty charts.

    A truth value is 0 or 1, so that it has a mean.
    """
    return {
        key: int(value) if isinstance(value, bool) else value
        for key, value in record.cells().items()
        if not isinstance(value, str) and not math.isnan(value)
    }


def _caption(record: BatchRecord) -> str:
    return f"batch {record.batch}: {record.status}, PSNR {record.scores['psnr']:.1f} dB"


def no_answer(url: str) -> str:
    """Return the reason that a server cannot be used, or an empty string."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWERS_WITHIN):
            return ""
    except urllib.error.HTTPError as error:  # any page will do, so that "not found" is an answer
        return str(error) if error.code >= http.HTTPStatus.INTERNAL_SERVER_ERROR else ""
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {getattr(error, 'reason', error)}"
