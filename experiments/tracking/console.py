"""Progress and results of a job in the terminal."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from spear.attack import Progress as AttackProgress
from spear.attack import ProgressCallback
from spear.experiments.record.files import shown
from spear.experiments.record.records import BatchRecord
from spear.experiments.record.summary import AT_A_LIMIT
from spear.reconstruction import Status
from spear.scoring.metric import Metric


class BatchBar:
    """Progress bar over batches, beside it the progress of the running attack.

    Quiet if there is no terminal.
    """

    def __init__(self, progress: Progress, total: int, done: int) -> None:
        self._progress = progress
        self._task = progress.add_task("batches", total=total, completed=done, attack="")

    def attack_progress(self) -> ProgressCallback:
        """Return the callback by which the attack shows its progress."""

        def show(state: AttackProgress) -> None:
            text = f"{state.done}/{state.total} {state.unit}"
            if state.note:
                text += f", {state.note}"
            self._progress.update(self._task, attack=text)

        return show

    def advance(self) -> None:
        """Count one batch as done."""
        self._progress.update(self._task, advance=1, attack="")


@contextmanager
def batch_bar(total: int, done: int, console: Console) -> Iterator[BatchBar]:
    """Show a bar for `total` batches, of which `done` are complete, within the context."""
    columns = (
        TextColumn("batch"),
        MofNCompleteColumn(),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[attack]}"),
        _SecondsPerBatch(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal or console.quiet
    ) as progress:
        yield BatchBar(progress, total, done)


class _SecondsPerBatch(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return the mean seconds per batch so far."""
        return Text(f"{1 / task.speed:.1f} s/batch" if task.speed else "", style="dim")


def results_table(
    title: str, records: list[BatchRecord], summary: dict[str, Any], own: Sequence[Metric] = ()
) -> Table:
    """Return a table with a row per batch and one for all of them.

    Args:
        title: title, on one line.
        records: records of a job.
        summary: summary of these records.
        own: metrics that not every job has; their numbers stand below the table.
    """
    table = Table(title=title, title_justify="left", show_footer=True)
    mean, deviation = (_number(summary[name], ".1f") for name in ("psnr_mean", "psnr_std"))
    empty = not any(record.directions for record in records)  # then zeros were scored
    psnr = "-" if mean == "-" or empty else f"{mean} ± {deviation}"
    exact = f"{summary['n_exact']}/{summary['n_batches']} ({summary['accuracy']:.0%})"
    footers = {
        "batch": "all",
        "PSNR [dB]": psnr,
        "exact": exact if any(_exactness(each) != "-" for each in records) else "-",
        "λ": _number(summary["lambda_mean"], ".6g"),
        "submatrices": f"{summary['submatrices_median']:,.0f}",
        "seconds": f"{summary['seconds_median']:.2f}",
        "status": f"{summary['failures']} failure{'s' * (summary['failures'] != 1)}",
    }
    for name, footer in footers.items():
        table.add_column(name, footer, justify="left" if name == "status" else "right")
    for record in records:
        table.add_row(
            str(record.batch),
            _number(record.scores["psnr"] if record.directions else math.nan, ".1f"),
            _exactness(record),
            _number(record.sparsity_matching, ".6g"),
            f"{record.submatrices:,}",
            f"{record.seconds:.2f}",
            record.status,
        )
    said = dict.fromkeys(Status(each.status) for each in records if each.status in AT_A_LIMIT)
    table.caption = "\n".join([_caption(summary, own), *(f"{s}: {s.message}" for s in said)])
    table.caption_justify = "left"
    return table


def say_where(console: Console, folder: Path, tracking: list[str]) -> None:
    """Print a job's run folder, its files, and the lines of its tracker."""
    console.print(f"Results: {shown(folder)}", soft_wrap=True, highlight=False)
    for path in sorted(folder.glob("[!.]*")):
        if path.is_file():
            console.print(f"  {path.name}", highlight=False)
    for line in tracking:
        console.print(line, soft_wrap=True, highlight=False)


def _caption(summary: dict[str, Any], own: Sequence[Metric]) -> str:
    lines = ["last row: mean ± standard deviation, share exact, mean λ, medians"]
    if summary["details_median"]:
        counted = (f"{name} {median:.4g}" for name, median in summary["details_median"].items())
        lines.append(f"medians: {', '.join(counted)}")
    if not math.isnan(summary["discrete_accuracy_mean"]):
        lines.append(
            f"means: discrete features {summary['discrete_accuracy_mean']:.1%} right, "
            f"continuous ones off by {summary['continuous_mae_mean']:.4g}"
        )
    if not math.isnan(summary["label_l1_mean"]):
        lines.append(
            f"means: labels {summary['label_accuracy_mean']:.1%} of the right class, "
            f"{summary['labels_exact_mean']:.1%} exact, L1 error {summary['label_l1_mean']:.2g}"
        )
    own_keys = [key for metric in own for key in metric.summary()]
    if keys := [key for key in own_keys if not math.isnan(summary[key])]:
        lines.append(f"further metrics: {', '.join(f'{key} {summary[key]:.4g}' for key in keys)}")
    return "\n".join(lines)


def _exactness(record: BatchRecord) -> str:
    """Return right directions / found directions, or a dash for an attack without directions."""
    estimated = record.status == Status.ESTIMATED or not record.scores["directions_right"]
    if math.isnan(record.sparsity_matching) and estimated:
        return "-"
    right = f"{record.scores['directions_right']}/{record.directions}"
    return right + (" ✓" if record.scores["exact"] else " ✗")


def _number(value: float, form: str) -> str:
    """Format a number; NaN (not applicable) becomes "-"."""
    return "-" if math.isnan(value) else format(value, form)
