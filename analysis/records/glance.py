"""Jobs of a folder at a glance: `spear show outputs/mine`, as a sweep's end shows them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from spear.analysis.records.results import OUTCOME, REASON, results
from spear.analysis.records.run_folder import JOB
from spear.errors import ConfigError
from spear.experiments.config.own_settings import is_harmless
from spear.experiments.job.job import CHOSEN
from spear.experiments.job.status import JobState
from spear.experiments.sweep.order import place
from spear.experiments.sweep.outcomes import Line, differing, jobs_table, show
from spear.spelling import did_you_mean

FIRST, LAST = "experiment", ("batch_size", "seed")
"""Columns that say what a job is, around its choices and the keys of its configuration."""

UNWRAPPED = 100_000
"""Characters; wider than any table of jobs."""


def glance(root: Path | None, console: Console) -> None:
    """Print a line for each job below a folder: what differs, what was reached, and its end.

    Jobs of one sweep have the numbers and the order of the table at its end. Others are in the
    order of what differs, numbers by size.
    A key or a choice within a part, such as `defense.noise_std` or `attack/settings`, is shown if
    jobs with the same choice of that part differ in it.

    Args:
        root: folder of runs or of collected results, or the name of an experiment that has some;
            None for `outputs`.
        console: where to print.

    Raises:
        NoResults: there is no job.
    """
    jobs = results(root, "jobs")
    keys = [FIRST, *_choices(jobs), *_swept(jobs), *LAST]
    found = [(_line(row, keys), str(row[REASON])) for row in jobs.to_dict("records")]
    numbers = _numbers(jobs)
    if numbers:
        found = [found[k] for k in np.argsort(numbers)]
    else:
        own = differing(line.values for line, _ in found)
        found.sort(key=lambda each: place(each[0].values.get(key, "") for key in own))
    numbers = sorted(numbers) or [*range(len(found))]
    if not console.is_terminal:
        console.width = UNWRAPPED
    lines = {number: line for number, (line, _) in zip(numbers, found, strict=True)}
    show(jobs_table(lines), console)
    for number, (line, reason) in zip(numbers, found, strict=True):
        if reason:
            console.print(f"#{number} {line.outcome}: {reason}", highlight=False)


def selected(root: Path | None, columns: list[str], console: Console) -> None:
    """Print chosen columns of the jobs below a folder, in the order of their values.

    Args:
        root: as `glance` takes it.
        columns: columns of `spear.results(root, "jobs")`, at least one.
        console: where to print; if it is no terminal, each job is on one line.

    Raises:
        NoResults: there is no job.
        ConfigError: there is no such column.
    """
    jobs = results(root, "jobs")
    known = [str(each) for each in jobs]
    unknown = sorted({*columns} - {*known})
    if unknown:
        end = did_you_mean(unknown[0], known, f"expected one of {', '.join(known)}")
        raise ConfigError(f"column {unknown[0]!r} does not exist; {end}.")
    if not console.is_terminal:
        console.width = UNWRAPPED
    table = Table(*columns)
    rows = [["-" if _is_missing(v) else v for v in row] for row in jobs[columns].to_numpy()]
    for row in sorted(rows, key=place):
        table.add_row(*(f"{v:.6g}" if isinstance(v, float) else str(v) for v in row))
    console.print(table)


def _numbers(jobs: pd.DataFrame) -> list[int]:
    """Return each job's number in its sweep; none if jobs have none, or two have the same."""
    states = [JobState.read(Path(each)) for each in jobs[JOB]]
    found = [state.number for state in states if state and state.number is not None]
    return found if len(set(found)) == len(jobs) else []


def _line(row: dict[Any, Any], keys: Iterable[str]) -> Line:
    values = {key: _text(row[key]) for key in keys if key in row and not _is_missing(row[key])}
    summary = {
        str(key): int(value) if str(key).startswith("n_") else value  # beside one that is missing
        for key, value in row.items()
        if not _is_missing(value)
    }
    return Line(values, summary, str(row[OUTCOME]))


def _choices(jobs: pd.DataFrame) -> list[str]:
    """Return the choices, those within a part only if they do not follow from the part's own."""
    found = []
    for key in map(str, jobs):
        group, within, _ = key.partition("/")
        if group in CHOSEN and (not within or _differs(jobs, key, group)):
            found.append(key)
    return found


def _swept(jobs: pd.DataFrame) -> list[str]:
    """Return the scalar keys of the configuration that differ under the same choice."""
    found = []
    for key in map(str, jobs):
        group = key.partition(".")[0]
        if "." not in key or group not in jobs or is_harmless(key) or key.endswith(".seed"):
            continue  # a part's seed follows from that of the job
        if _differs(jobs, key, group):
            found.append(key)
    return found


def _differs(jobs: pd.DataFrame, key: str, group: str) -> bool:
    """Return whether jobs with the same choice of a group differ in a column."""
    values = jobs.groupby(group)[key]
    return bool(values.agg(lambda each: len({*map(str, each)})).max() > 1)


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or value != value


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
