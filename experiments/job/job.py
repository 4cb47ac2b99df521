"""Bookkeeping of one job: the batches left to do, the tracker, the progress bar, the results."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from rich.console import Console
from torch import Tensor

from spear.attack import ProgressCallback
from spear.data import Batch
from spear.experiments.config.spec import RECONSTRUCTIONS, JobSpec
from spear.experiments.job.folder import RunFolder
from spear.experiments.job.key import Key
from spear.experiments.job.provenance import continued, provenance
from spear.experiments.job.traces import read_traces
from spear.experiments.record.files import replacing, write_json, write_text
from spear.experiments.record.own_metrics import own_metrics
from spear.experiments.record.records import BatchRecord, columns_of
from spear.experiments.record.run_files import CONFIG, PICTURE, PROVENANCE, ROWS, SHEET
from spear.experiments.record.summary import summarize
from spear.experiments.record.tensors import lack_tensors, write_tensors
from spear.experiments.tracking.console import BatchBar, batch_bar, results_table, say_where
from spear.experiments.tracking.wandb import TrackedJob, Tracking
from spear.reconstruction import Reconstruction
from spear.scoring.figure import reconstruction_figure
from spear.scoring.matched import Matched
from spear.scoring.metric import Metric
from spear.scoring.scorer import Score
from spear.scoring.sheet import image_sheet, sheet_of
from spear.scoring.shown import shown_images
from spear.scoring.text_figure import text_figure
from spear.scoring.truth import Truth

log = logging.getLogger(__name__)

file_log = logging.getLogger("spear.job")
"""Logger of what only the file `job.log` has (`conf/config.yaml`)."""

CHOSEN = (
    "attack",
    "dataset",
    "drawing",
    "augmentation",
    "network",
    "defense",
    "fedavg",
    "aggregation",
    "risk",
)
"""Groups whose chosen files the summary names."""

RECORDED_AS = {"risk": "forecast"}
"""Group -> its name in summaries, which is the one that it had when the first were recorded."""

TAGGED = ("dataset", "network", "attack")
"""Groups whose chosen files are tags of the tracked run."""


class Job:
    """Records a job while it runs; a context manager around its batches.

    Args:
        spec: specification of the job.
        folder: folder for everything that is recorded; the job holds its lock.
        console: where progress and results are shown.
        brief: whether results are not shown, because those of all jobs will be.

    Attributes:
        metrics: metrics that not every job has: those that its data call for, and the user's own.

    Raises:
        ConfigError: a setting of the tracker or of a metric cannot be used, or the names of a
            metric's numbers are taken.
    """

    def __init__(
        self,
        spec: JobSpec,
        folder: RunFolder,
        console: Console,
        brief: bool = False,
    ) -> None:
        self.spec = spec
        self.metrics = own_metrics({name: make() for name, make in spec.metrics.items()})
        self.folder = folder
        self.folder.columns = columns_of(self.metrics)
        self.console = console
        self.brief = brief
        self.provenance = provenance()
        self._began = time.perf_counter()
        self.numbers = range(spec.first_batch, spec.first_batch + spec.n_batches)
        self.tracking: Tracking = spec.tracking()
        self._stack = ExitStack()
        self._bar: BatchBar

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the summary if there was no error; close the tracker in any case."""
        self._stack.close()
        try:
            if error is None and not self.folder.complete:
                self._finish()
        finally:
            lines = self.tracking.close(failed=error is not None)
        if self.folder.records and not self.brief:
            say_where(self.console, self.folder.path, lines)

    def also_score(self, metrics: Sequence[Metric]) -> None:
        """Add metrics that the job's data call for; call it before `begin`.

        Raises:
            ConfigError: the names of a number are taken by the user's own metrics.
        """
        named = {type(each).__name__.lower(): each for each in metrics}
        self.metrics = own_metrics(named | dict(zip(self.spec.metrics, self.metrics, strict=True)))
        self.folder.columns = columns_of(self.metrics)

    def begin(self, draw: Callable[[int], Batch]) -> bool:
        """Find the batches that earlier runs left to do, report them, and start the record.

        Args:
            draw: returns the private batch of a number.

        Returns:
            Whether any batch is left to do.
        """
        key = Key.of(self.spec.relevant)
        self.folder.begin(key, self.numbers, draw, self._unwanted())
        done, n = len(self.folder.records), len(self.numbers)
        if self.folder.complete:
            log.info("complete already (key %s): nothing is computed without --force", key.digest)
            self._show_results()
            return False
        if done:
            log.info("continued (key %s): %d of %d batches are there", key.digest, done, n)
        commit = self.provenance["git_sha"]
        file_log.debug("batches %d to %d, at commit %s", done, n - 1, commit)
        self.provenance = continued(self.provenance, self.folder.path / PROVENANCE, done)
        write_text(self.folder.path / CONFIG, self.spec.config_yaml)
        write_json(self.folder.path / PROVENANCE, self.provenance)
        self.tracking.start(self._tracked())
        self._bar = self._stack.enter_context(batch_bar(n, done, self.console))
        return True

    def batches(self) -> Iterator[int]:
        """Yield the number of each batch that is left; advance the progress bar after each."""
        for k in self.numbers[len(self.folder.records) :]:
            yield k
            self._bar.advance()

    @property
    def progress(self) -> ProgressCallback:
        """Callback by which the attack shows its progress."""
        return self._bar.attack_progress()

    def images(self, number: int, score: Score, images: tuple[Tensor, Tensor] | None) -> None:
        """Write the picture of a batch: originals, reconstructions and errors, if it has images."""
        if images is not None:
            title = (
                f"{self.spec.choices['dataset']}, batch {number} of {len(images[0])} images, "
                f"attack {self.spec.choices['attack']}: mean PSNR {score['psnr']:.1f} dB"
            )
            with replacing(self.folder.path / PICTURE) as beside:
                reconstruction_figure(*images, beside, title)
            with replacing(self.folder.path / SHEET) as beside:
                image_sheet(*images, beside)

    def track_images(self, number: int, score: Score, matched: Matched) -> None:
        """Hand the images of a batch to the tracker if it wants them and the batch has any."""
        if not self.tracking.wants_images(number - self.spec.first_batch):
            return
        images = shown_images(matched)
        if images is not None:
            said = f"batch {number}: PSNR {score['psnr']:.1f} dB; originals above, results below"
            self.tracking.images(number, sheet_of(*images), said)

    def texts(self, number: int, texts: tuple[list[str], list[str]] | None) -> None:
        """Write the picture of a batch's sentences beside the reconstructed ones, if it has any."""
        if texts is not None:
            title = (
                f"{self.spec.choices['dataset']}, batch {number} of {len(texts[0])} sentences, "
                f"network {self.spec.choices['network']}, attack {self.spec.choices['attack']}"
            )
            with replacing(self.folder.path / PICTURE) as beside:
                text_figure(*texts, beside, title)

    def tensors(self, number: int, matched: Matched) -> None:
        """Write the tensors of a batch if the key `save` asks for them."""
        if self.spec.save == RECONSTRUCTIONS:
            write_tensors(self.folder.path, number, matched)

    def rows(self, rows: str | None) -> None:
        """Write a batch's rows or texts, each original above its reconstruction, if it has any."""
        if rows is not None:
            write_text(self.folder.path / ROWS, rows)

    def record(
        self,
        number: int,
        batch: Batch,
        truth: Truth,
        reconstruction: Reconstruction,
        score: Score,
        failure: str = "",
        foreseen: dict[str, float] | None = None,
    ) -> None:
        """Write a batch's row, which completes the batch, and pass it to the tracker."""
        record = BatchRecord.of(number, truth, reconstruction, score, failure, foreseen)
        self.folder.add(record, batch)
        self.tracking.batch(record)
        ended = f"{record.status} in {record.seconds:.3g} s{_scored(score)}"
        file_log.debug("batch %d: %s", number, ended)
        if record.failure:
            log.warning("batch %d: %s", number, record.failure)

    def _unwanted(self) -> str:
        """Return the reason that an earlier result in the folder is of no use, or ""."""
        if self.spec.force:
            return "of a run before --force"
        recorded = self.numbers[: len(read_traces(self.folder.path))]
        if self.spec.save and lack_tensors(self.folder.path, recorded):
            return "without saved reconstructions"
        return ""

    def _tracked(self) -> TrackedJob:
        name = self.spec.config["name"]
        named = [name, self.spec.experiment] if name else [self.spec.experiment]
        return TrackedJob(
            experiment=self.spec.experiment,
            group=named[0],
            tags=[*named, *(self.spec.choices[group] for group in TAGGED)],
            key=self.folder.key,
            config=self.spec.config,
            folder=self.folder.path,
            records=list(self.folder.records),
            choices=self._chosen(),
        )

    def _chosen(self) -> dict[str, str]:
        """Return the names of the chosen files that belong to the job's settings, by group."""
        return {
            RECORDED_AS.get(group, group): choice
            for group, choice in self.spec.choices.items()
            if group.split("/")[0] in CHOSEN
        }

    def _finish(self) -> None:
        records = self.folder.records
        summary = {
            "experiment": self.spec.experiment,
            **summarize(records, self.metrics),
            "batch_size": self.spec.batch_size,
            **self._chosen(),
            "seed": self.spec.seed,
            "device": self.spec.device,
            "failure_reasons": [f"batch {r.batch}: {r.failure}" for r in records if r.failure],
            "data_hash": self.folder.data_hash,
            "key": self.folder.key,
            **self.provenance,
            "wall_seconds": time.perf_counter() - self._began,  # of this run, loading included
        }
        self.tracking.finish(summary, records, self.folder.path / PICTURE)
        self.folder.finish(summary)
        self._show_results()

    def _show_results(self) -> None:
        if self.brief:
            return
        title = (
            f"{self.spec.experiment}: dataset={self.spec.choices['dataset']} "
            f"batch_size={self.spec.batch_size} attack={self.spec.choices['attack']} "
            f"seed={self.spec.seed}"
        )
        records = self.folder.records
        summary = summarize(records, self.metrics)
        self.console.print(results_table(title, records, summary, self.metrics))


def _scored(score: Score) -> str:
    """Return the numbers of a batch that it has, for a line of the log."""
    named = ("psnr", "recovered", "label_accuracy", "tabular_accuracy")
    there = [f"{name} {score[name]:.4g}" for name in named if not math.isnan(score[name])]
    return "".join(f", {each}" for each in there)
