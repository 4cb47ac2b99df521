"""One job's bookkeeping: its folder, its tracker, its progress bar and its last words."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import pandas as pd
import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from experiments.build import build
from experiments.display import BatchBar, batch_bar, results_table
from experiments.provenance import provenance
from experiments.records import (
    ERROR,
    PICTURE,
    ROWS,
    SHEET,
    SUMMARY,
    RunFolder,
    batch_record,
    shown,
    summarize,
)
from experiments.tracking import Tracking
from spear.attack import ProgressCallback
from spear.errors import SpearError
from spear.metrics import Score
from spear.pictures import picture_sheet, reconstruction_figure
from spear.reconstruction import Reconstruction
from spear.tables import TableDomain, readable
from spear.truth import Truth

log = logging.getLogger(__name__)

CHOSEN = (
    "attack",
    "dataset",
    "drawing",
    "augmentation",
    "network",
    "defense",
    "fedavg",
    "forecast",
)
"""Groups whose chosen files the summary names."""


class BatchesFailed(SpearError):
    """Some batches of a job that ran to its end have no reconstruction to score."""


class Job:
    """Records a job while it runs; a context manager around its batches.

    Args:
        config: the job's configuration.
        choices: group -> chosen file, for the summary.
        experiment: its name.
        folder: where everything goes.

    Raises:
        ConfigError: the folder cannot be written, or the tracker does not start.
    """

    def __init__(
        self, config: DictConfig, choices: dict[str, str], experiment: str, folder: RunFolder
    ) -> None:
        self.config = config
        self.choices = choices
        self.experiment = experiment
        self.folder = folder
        self.console = Console()
        self.provenance = provenance()
        self.tracking: Tracking = build(config, "tracking")
        self._stack = ExitStack()
        self._bar: BatchBar

    def __enter__(self) -> Self:
        """Write what is known beforehand."""
        resolved: dict[str, Any] = OmegaConf.to_container(self.config, resolve=True)  # type: ignore[assignment]
        self.folder.write_text("config.yaml", OmegaConf.to_yaml(self.config, resolve=True))
        self.folder.write_json("provenance.json", self.provenance)
        self.tracking.start(self.experiment, resolved, self.folder.path)
        self._bar = self._stack.enter_context(batch_bar(self.config.n_batches, self.console))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the summary, or the error; close the tracker either way."""
        self._stack.close()
        failed = error is not None
        try:
            if error is None:
                self._finish()
            else:
                self.folder.write_text(
                    ERROR, "".join(traceback.format_exception(kind, error, trace))
                )
        finally:
            lines = self.tracking.close(failed)
        if self.folder.records:
            self._say_where(lines)

    def batches(self) -> Iterator[int]:
        """Numbers of the batches to run, with the bar moving on."""
        first = self.config.first_batch
        for k in range(first, first + self.config.n_batches):
            yield k
            self._bar.advance()

    @property
    def progress(self) -> ProgressCallback:
        """For the attack to show how far it is."""
        return self._bar.attack_progress()

    def record(
        self,
        batch: int,
        truth: Truth,
        reconstruction: Reconstruction,
        score: Score,
        failure: str = "",
        foreseen: dict[str, float] | None = None,
    ) -> None:
        """Write a batch's row and tell the tracker."""
        record = batch_record(batch, truth, reconstruction, score, failure, foreseen)
        self.folder.add(record)
        self.tracking.batch(record)
        if record.failure:
            log.warning("batch %d: %s", batch, record.failure)

    def picture(
        self, batch: int, score: Score, pictures: tuple[torch.Tensor, torch.Tensor] | None
    ) -> None:
        """Draw a batch's originals, reconstructions and errors, if its inputs are pictures."""
        if pictures is not None:
            title = (
                f"{self.choices['dataset']}, batch {batch} of {len(pictures[0])} images, "
                f"attack {self.choices['attack']}: mean PSNR {score.psnr:.1f} dB"
            )
            reconstruction_figure(*pictures, self.folder.path / PICTURE, title)
            picture_sheet(*pictures, self.folder.path / SHEET)

    def rows(self, rows: tuple[TableDomain, torch.Tensor, torch.Tensor] | None) -> None:
        """Write a batch's readable rows, each original above its reconstruction, if it has any."""
        if rows is not None:
            table, *values = rows
            both = pd.concat(
                [readable(table.features, each) for each in values],
                keys=("original", "reconstruction"),
                names=["is", "row"],
            )
            text = both.swaplevel().sort_index().to_csv()
            self.folder.write_text(ROWS, text)

    def _finish(self) -> None:
        summary = self._summary()
        self.folder.write_json(SUMMARY, summary)
        picture = self.folder.path / PICTURE
        self.tracking.finish(summary, self.folder.records, picture)
        title = (
            f"{self.experiment}: dataset={self.choices['dataset']} "
            f"batch_size={self.config.batch_size} attack={self.choices['attack']} "
            f"seed={self.config.seed}"
        )
        self.console.print(results_table(title, self.folder.records, summary))

    def _summary(self) -> dict[str, Any]:
        chosen = {
            group: choice for group, choice in self.choices.items() if group.split("/")[0] in CHOSEN
        }
        failures = [f"batch {r.batch}: {r.failure}" for r in self.folder.records if r.failure]
        return {
            "experiment": self.experiment,
            **summarize(self.folder.records),
            "batch_size": self.config.batch_size,
            **chosen,
            "seed": self.config.seed,
            "device": self.config.device,
            "failure_reasons": failures,
            "data_hash": self.folder.data_hash,
            **self.provenance,
        }

    def _say_where(self, tracking_lines: list[str]) -> None:
        self.console.print(f"Results: {shown(self.folder.path)}", soft_wrap=True, highlight=False)
        for path in sorted(self.folder.path.glob("[!.]*")):
            if path.is_file():
                self.console.print(f"  {path.name}", highlight=False)
        for line in tracking_lines:
            self.console.print(line, soft_wrap=True, highlight=False)

    def check_failures(self) -> None:
        """To be called at the end.

        Raises:
            BatchesFailed: some batch has no full reconstruction.
        """
        failed = [record for record in self.folder.records if record.failure]
        if failed:
            raise BatchesFailed(
                f"{len(failed)} of {len(self.folder.records)} batches have no full "
                f"reconstruction (batch {failed[0].batch}: {failed[0].failure}); "
                f"all are recorded in {shown(self.folder.path / 'batches.csv')}."
            )
