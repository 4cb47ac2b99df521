"""Jobs of a W&B project, as `spear.results("wandb:entity/project")` reads them back."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from spear.errors import ConfigError
from spear.experiments.job.outcome import JobOutcome
from spear.experiments.tracking.wandb import BATCHES, CHOICES, IMAGES, RECONSTRUCTIONS

PREFIX = "wandb:"

OUTCOMES = {
    "finished": JobOutcome.DONE,
    "running": JobOutcome.RUNNING,
    "pending": JobOutcome.RUNNING,
    "failed": JobOutcome.FAILED,
}
"""State of a run -> outcome of its job; any other state is an interruption."""

NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""Text in W&B's JSON -> the number that it stands for."""


@dataclass(frozen=True)
class TrackedRun:
    """Job of a run of W&B, and its batches.

    Attributes:
        job: what a run folder says of the job: its `config` and its `summary`.
        outcome: outcome of the job.
        rows: a mapping for each batch, with the columns of `batches.csv` as text.
    """

    job: dict[str, Any]
    outcome: JobOutcome
    rows: list[dict[str, str]]


def tracked_runs(path: str, group: str | None) -> Iterator[tuple[str, TrackedRun]]:
    """Yield the runs of a W&B project by their names: `wandb:entity/project/group/job`.

    Args:
        path: `entity/project`, or `project` of the user's own.
        group: group of the runs, which is the sweep's name or the experiment; None for all.

    Raises:
        ConfigError: W&B cannot be asked, or there is no such project.
    """
    import wandb  # takes a second

    filters = {"group": group} if group else None
    try:
        for run in wandb.Api().runs(path, filters=filters):
            yield f"{PREFIX}{path}/{run.group}/{run.name}", _tracked(run)
    except (wandb.Error, ValueError) as error:  # the latter of a project that does not exist
        raise ConfigError(
            f"W&B does not give the runs of {path!r} ({' '.join(str(error).split())}); expected "
            f"{PREFIX}entity/project, after `wandb login`."
        ) from error


def _tracked(run: Any) -> TrackedRun:
    config = {key: value for key, value in dict(run.config).items() if not key.startswith("_")}
    choices = config.pop(CHOICES, {})
    summary = {
        key: _number(value)
        for key, value in run.summary_metrics.items()
        if not key.startswith(("_", "batch/")) and key not in (BATCHES, IMAGES, RECONSTRUCTIONS)
    }
    outcome = OUTCOMES.get(run.state, JobOutcome.INTERRUPTED)
    return TrackedRun({"config": config, "summary": choices | summary}, outcome, [*_rows(run)])


def _rows(run: Any) -> Iterator[dict[str, str]]:
    """Yield the batches of the run's table; none of a run that ended before it wrote one."""
    place = run.summary_metrics.get(BATCHES)
    if not place:
        return
    with TemporaryDirectory() as folder:
        file = run.file(place["path"]).download(root=folder, replace=True)
        content = json.loads(Path(file.name).read_text(encoding="utf-8"))
    for row in content["data"]:
        yield {
            column: str(_number(value))
            for column, value in zip(content["columns"], row, strict=True)
        }


def _number(value: Any) -> Any:
    return NOT_FINITE.get(value, value) if isinstance(value, str) else value
