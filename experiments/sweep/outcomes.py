"""The table at a sweep's end: a line for each job, with what differs and what was reached."""

import json
import math
import shlex
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from spear.experiments.config.choice import shortened
from spear.experiments.job.outcome import JobOutcome
from spear.experiments.record.files import shown
from spear.experiments.record.run_files import SUMMARY
from spear.experiments.sweep.journal import Entry

COUNTED = (
    JobOutcome.DONE, JobOutcome.SKIPPED, JobOutcome.FAILED, JobOutcome.INTERRUPTED,
    JobOutcome.RUNNING, JobOutcome.NOT_RUN,
)  # fmt: skip
WIDEST = 10_000
"""Columns of a console in which every table fits."""

STYLES: dict[str, str] = {
    JobOutcome.DONE: "green",
    JobOutcome.SKIPPED: "dim",
    JobOutcome.FAILED: "red",
}
ENDED = (JobOutcome.DONE, JobOutcome.SKIPPED)


def _number(key: str, form: str) -> Callable[[dict[str, Any]], str]:
    def shown(summary: dict[str, Any]) -> str:
        value = summary.get(key)
        there = isinstance(value, int | float) and math.isfinite(value)
        return format(value, form) if there else ""

    return shown


def _exact(summary: dict[str, Any]) -> str:
    tested = summary.get("n_exact") or summary.get("lambda_mean") is not None
    return f"{summary['n_exact']}/{summary['n_batches']}" if tested else ""


def _of_inputs(key: str, form: str) -> Callable[[dict[str, Any]], str]:
    """Return `_number`, but "" if no batch has a single input, so that zeros were scored."""
    number = _number(key, form)

    def shown(summary: dict[str, Any]) -> str:
        empty = summary.get("n_empty", 0)
        return "" if empty and empty == summary.get("n_batches") else number(summary)

    return shown


METRICS: dict[str, Callable[[dict[str, Any]], str]] = {
    "exact": _exact,
    "images": _number("recovered_mean", ".0%"),
    "PSNR": _of_inputs("psnr_mean", ".1f"),
    "labels": _number("label_accuracy_mean", ".0%"),
    "cells": _number("tabular_accuracy_mean", ".0%"),
    "tokens": _number("token_accuracy_mean", ".1%"),
    "ROUGE-1": _number("rouge1_mean", ".3f"),
    "positions": _number("positions_exact_mean", ".1%"),
    "seconds": _number("seconds_median", ".3g"),
}
"""Heading of a column -> the number that a job's summary has for it, or "" if it has none."""

LEGEND = {
    "exact": "batches exact",
    "images": "images recovered",
    "PSNR": "mean in dB",
    "labels": "labels right",
    "cells": "table entries right",
    "tokens": "tokens right",
    "positions": "positions whose hidden state is exact",
    "seconds": "median per batch",
}
"""Meaning of the headings that need one."""


@dataclass(frozen=True)
class Line:
    """Line of a table of jobs.

    Attributes:
        values: value of each key that the job was given, as text.
        summary: its summary; empty if there is none.
        outcome: its end.
    """

    values: dict[str, str]
    summary: dict[str, Any]
    outcome: str


def outcomes_table(entries: dict[int, Entry], folder: Path) -> Table:
    """Return a table with each job's outcome, the keys that differ, and the metrics that it has.

    Args:
        entries: state of each job by its number, at least one.
        folder: folder of the run folders.
    """
    return jobs_table(
        {
            number: Line(_values(entry), _summary(folder, entry), entry.outcome)
            for number, entry in entries.items()
        }
    )


def jobs_table(lines: dict[int, Line]) -> Table:
    """Return a table of jobs: the keys that differ, the metrics that they have, and outcomes.

    Args:
        lines: line of each job by its number, at least one.
    """
    counts = Counter(line.outcome for line in lines.values())
    counted = ", ".join(f"{counts[each]} {each}" for each in COUNTED if counts[each])
    summaries = [line.summary for line in lines.values()]
    metrics = [name for name, shown in METRICS.items() if any(map(shown, summaries))]
    meant = [f"{name}: {LEGEND[name]}" for name in metrics if name in LEGEND]
    jobs = "1 job" if len(lines) == 1 else f"{len(lines)} jobs"
    table = Table(title=f"{jobs}: {counted}", caption=", ".join(meant) or None)
    table.add_column("#", justify="right")
    keys = differing(line.values for line in lines.values())
    for key, heading in zip(keys, _headings(keys), strict=True):
        numeric = all(_is_number(line.values.get(key, "")) for line in lines.values())
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for name in metrics:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    for number, line in lines.items():
        own = [line.values.get(key, "") for key in keys]
        reached = [METRICS[name](line.summary) or "-" for name in metrics]
        cells = [str(number), *own, *reached, line.outcome]
        table.add_row(*cells, style=STYLES.get(line.outcome))
    return table


def show(table: Table, console: Console) -> None:
    """Print a table between its title and its legend; without its lines if too wide with them."""
    above, below = table.title, table.caption
    table.title = table.caption = None  # rich would break them where the table ends
    unbounded = console.options.update(max_width=WIDEST)
    if Measurement.get(console, unbounded, table).maximum > console.width:
        table.box, table.padding, table.pad_edge = None, (0, 1, 0, 0), False
    for each in filter(None, (above, table, below)):
        console.print(each, highlight=False)


def reasons(entries: dict[int, Entry]) -> list[str]:
    """Return a line for each job that failed or was not recovered, with the reason."""
    return [
        f"#{number} {entry.outcome}: {entry.reason}"
        for number, entry in entries.items()
        if entry.reason
    ]


def where_to_look(sweep: Path) -> list[str]:
    """Return lines that say where a sweep's results are, and how to see them again or upload them.

    Args:
        sweep: folder of the run folders.
    """
    name = shlex.quote(str(shown(sweep)))
    lines = [f"Results: {shown(sweep)}", f"  to see them again: spear show {name}"]
    if next(sweep.glob("*/wandb/offline-run-*"), None):
        lines.append(f"  to upload them to W&B: wandb sync {name}/*/wandb")
    return lines


def differing(given: Iterable[dict[str, str]]) -> list[str]:
    """Return the keys whose values are not the same in all jobs, in the order of the jobs."""
    jobs = list(given)
    keys = dict.fromkeys(key for each in jobs for key in each)
    return [key for key in keys if len({each.get(key) for each in jobs}) > 1]


def _values(entry: Entry) -> dict[str, str]:
    pairs = [each.partition("=") for each in shortened(entry.overrides)]
    return {key.lstrip("+"): value for key, _, value in pairs}


def _headings(keys: list[str]) -> list[str]:
    """Return the last part of each key, or all of it if another key ends alike."""
    ends = Counter(key.rpartition(".")[2] for key in keys)
    ends["_target_"] += 1  # says nothing by itself
    return [key if ends[key.rpartition(".")[2]] > 1 else key.rpartition(".")[2] for key in keys]


def _summary(folder: Path, entry: Entry) -> dict[str, Any]:
    """Return a complete job's summary; empty if there is none to read."""
    if entry.outcome not in (*ENDED, JobOutcome.FAILED):
        return {}
    try:
        found: dict[str, Any] = json.loads(
            (folder / entry.name / SUMMARY).read_text(encoding="utf-8")
        )
    except (OSError, ValueError):
        return {}
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
