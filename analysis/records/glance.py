"""Jobs of a folder at a glance: `spear show outputs/mine`, as a sweep's end shows them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from spear.analysis.records.frames import UNWRAPPED
from spear.analysis.records.results import OUTCOME, REASON, results
from spear.experiments.config.own_settings import is_harmless
from spear.experiments.job.job import CHOSEN
from spear.experiments.sweep.outcomes import Line, fitted, jobs_table

SECONDS = "seconds_median"
FURTHER = ("experiment", "batch_size", "seed")
"""Columns that say what a job is, besides its choices and the keys of its configuration."""


def glance(root: Path, console: Console) -> None:
    """Print a line for each job below a folder: what differs, what was reached, and its end.

    A key of a part, such as `defense.noise_std`, is shown if jobs with the same choice of that part
    differ in it.

    Args:
        root: folder of runs or of collected results.
        console: where to print.

    Raises:
        NoResults: there is no job.
    """
    jobs = results(root, "jobs")
    rows = jobs.to_dict("records")
    keys = [*FURTHER, *_choices(jobs), *_swept(jobs)]
    lines = {number: _line(row, keys) for number, row in enumerate(rows)}
    if not console.is_terminal:
        console.width = UNWRAPPED
    console.print(fitted(jobs_table(lines, "median per batch"), console))
    for number, row in enumerate(rows):
        if row[REASON]:
            console.print(f"#{number} {row[OUTCOME]}: {row[REASON]}", highlight=False)


def _line(row: dict[Any, Any], keys: Iterable[str]) -> Line:
    values = {key: _text(row[key]) for key in keys if key in row and not _is_missing(row[key])}
    summary = {
        str(key): int(value) if str(key).startswith("n_") else value  # beside one that is missing
        for key, value in row.items()
        if not _is_missing(value)
    }
    return Line(values, summary, float(summary.get(SECONDS, 0.0)), str(row[OUTCOME]))


def _choices(jobs: pd.DataFrame) -> list[str]:
    return [str(each) for each in jobs if str(each).split("/")[0] in CHOSEN]


def _swept(jobs: pd.DataFrame) -> list[str]:
    """Return the scalar keys of the configuration that differ under the same choice."""
    found = []
    for key in map(str, jobs):
        group = key.partition(".")[0]
        if "." not in key or group not in jobs or is_harmless(key) or key.endswith(".seed"):
            continue  # a part's seed follows from that of the job
        if jobs.groupby(group)[key].agg(lambda each: len({*map(str, each)})).max() > 1:
            found.append(key)
    return found


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or value != value


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
