"""Weights & Biases, or nothing: where a job's record goes besides its run folder."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal, Protocol

import wandb

from experiments.records import BatchRecord, shown
from spear.errors import ConfigError


class Tracking(Protocol):
    """Follows one job; a new tracker implements these and gets a file in `conf/tracking/`."""

    def start(self, experiment: str, config: dict[str, Any], folder: Path) -> None:
        """Before the first batch; `config` is resolved."""
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

    def start(self, experiment: str, config: dict[str, Any], folder: Path) -> None:
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

    def start(self, experiment: str, config: dict[str, Any], folder: Path) -> None:
        """Open the run.

        Raises:
            ConfigError: W&B refuses, for instance for want of a login.
        """
        try:
            self.run = wandb.init(
                mode=self.mode,
                project=self.project,
                entity=self.entity,
                group=experiment,
                name=folder.name,
                config=config,
                dir=folder,
                reinit="finish_previous",
                settings=wandb.Settings(silent=True, console="off", save_code=False),
            )
        except wandb.Error as error:
            raise ConfigError(
                f"Weights & Biases did not start ({' '.join(str(error).split())}); run "
                "`wandb login`, or use tracking=offline or tracking=off."
            ) from error

    def batch(self, record: BatchRecord) -> None:
        """Log the batch's numbers as a step of a series."""
        numbers = {k: v for k, v in asdict(record).items() if not isinstance(v, str)}
        self.run.log({f"batch/{key}": value for key, value in numbers.items()})

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
