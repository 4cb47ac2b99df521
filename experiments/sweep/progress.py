"""Progress bar of a sweep."""

import logging
from collections import Counter
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from spear.experiments.job.outcome import JobOutcome
from spear.experiments.sweep.journal import Entry
from spear.experiments.tracking.terminal import shared_console

log = logging.getLogger(__name__)

ENDED = (JobOutcome.DONE, JobOutcome.SKIPPED, JobOutcome.FAILED, JobOutcome.INTERRUPTED)
COMPUTED = (JobOutcome.DONE, JobOutcome.FAILED)


class SweepBar:
    """Progress bar over jobs; without a terminal, a line in the log whenever a job ends.

    Args:
        total: number of jobs; None if unknown.
    """

    def __init__(self, total: int | None) -> None:
        self._console = shared_console()
        columns = (
            TextColumn("jobs "),
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
        )
        self._progress = Progress(
            *columns,
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._total = total
        self._task = self._progress.add_task("jobs", total=total, text="")
        self._said = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, entries: dict[int, Entry]) -> None:
        """Show the present state of the jobs."""
        ended = sum(entry.outcome in ENDED for entry in entries.values())
        text = _state(entries, self._total)
        self._progress.update(self._task, completed=ended, text=text)
        if ended > self._said and not self._console.is_terminal:
            log.info("jobs: %d of %s ended; %s", ended, self._total or "?", text)
        self._said = ended


def _state(entries: dict[int, Entry], total: int | None) -> str:
    """Return counts, and the time left if the other jobs take as long as the finished ones."""
    counts = Counter(entry.outcome for entry in entries.values())
    parts = [f"{counts[each]} {each}" for each in JobOutcome if counts[each]]
    took = [entry.seconds for entry in entries.values() if entry.outcome in COMPUTED]
    ended = sum(counts[each] for each in ENDED)
    if took and total and ended < total:
        left = sum(took) / len(took) * (total - ended) / max(counts[JobOutcome.RUNNING], 1)
        parts.append(f"about {_duration(left)} left")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
