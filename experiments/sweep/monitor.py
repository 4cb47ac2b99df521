"""Progress of a whole sweep, and the outcome of each job at its end."""

import logging
import shlex
import threading
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, read_write

from spear.errors import SpearError
from spear.experiments.config.axes import jobs_of
from spear.experiments.config.choice import shortened
from spear.experiments.job.lock import in_use
from spear.experiments.job.outcome import JobOutcome
from spear.experiments.sweep.journal import VARIABLE, Entry, Journal
from spear.experiments.sweep.outcomes import outcomes_table, reasons, show, where_to_look
from spear.experiments.sweep.progress import SweepBar
from spear.experiments.sweep.ran import note
from spear.experiments.tracking.terminal import shared_console

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 0.5
STOPPED = "interrupted together with the sweep"
LEFT = "still running, although the launcher has ended"
LOST = "its process ended without a message; perhaps it was killed for lack of memory"


class SweepCallback(Callback):
    """Hydra callback that watches a sweep from its start; `conf/config.yaml` names it."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Create the journal for the jobs, whatever launcher starts them, and watch it."""
        global _running
        journal = Journal.new(Path(config.hydra.sweep.dir))
        plan, refusal = _plan_if_known(config)
        sweep = Sweep(journal, plan, refusal)
        sweep.watch()
        _running = sweep
        # Last, since Hydra turns what is raised here into a warning: only jobs that somebody
        # watches may hand their errors over to the journal.
        with read_write(config.hydra.overrides):
            config.hydra.overrides.hydra.append(
                f"+hydra.job.env_set.{VARIABLE}={_quoted(str(journal.folder))}"
            )


class Sweep:
    """Jobs of a running sweep, seen from the process that started it.

    Args:
        journal: journal in which the jobs record their state.
        plan: overrides of each job, by number; None if only the sweeper knows them.
        refusal: sentence about overrides that stand for no job, or "".
    """

    def __init__(self, journal: Journal, plan: list[list[str]] | None, refusal: str = "") -> None:
        self.journal = journal
        self.plan = plan
        self.refusal = refusal
        self._bar = SweepBar(len(plan) if plan else None)
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def watch(self) -> None:
        """Show the jobs' progress until `end` is called."""
        self._watcher.start()

    def end(self, early: bool) -> str:
        """Show the outcome of each job, and the commands for those that are incomplete.

        Args:
            early: whether the sweep ended before its last job did.

        Returns:
            A sentence about the incomplete jobs, or about a sweep of none; "" if all is done, or if
            an error kept every job from beginning, which then says all.
        """
        self._ended.set()
        self._watcher.join()
        entries = self.final_entries(early)
        if not entries:
            return self.refusal
        if early and all(each.outcome is JobOutcome.NOT_RUN for each in entries.values()):
            return ""
        incomplete = [each for each in entries.values() if not _is_complete(each)]
        commands = [
            shlex.join(["spear", *shortened(entry.overrides)])
            for entry in incomplete
            if entry.outcome is not JobOutcome.NOT_RUN
        ]
        show(outcomes_table(entries, self.journal.sweep), shared_console())
        where = where_to_look(self.journal.sweep)
        for line in (*reasons(entries), *commands, *where):
            shared_console().print(line, soft_wrap=True, highlight=False, markup=False)
        for entry in entries.values():
            if entry.outcome is not JobOutcome.NOT_RUN:
                note(self.journal.sweep / entry.name)
        self.journal.remove()
        if not incomplete:
            return ""
        return (
            f"{len(incomplete)} of {len(entries)} jobs are not done; run the same sweep again "
            "to finish all of them, or a command above to run one alone."
        )

    def _watch(self) -> None:
        with self._bar:
            while not self._ended.wait(SECONDS_BETWEEN_LOOKS):
                self._bar.show(self.journal.read())
            self._bar.show(self.journal.read())

    def final_entries(self, early: bool) -> dict[int, Entry]:
        """Return the state of every job, including those that did not begin or did not end."""
        entries = {
            number: self._unended(entry, early) if entry.outcome is JobOutcome.RUNNING else entry
            for number, entry in self.journal.read().items()
        }
        for number, overrides in self._not_begun(entries).items():
            entries[number] = Entry(",".join(overrides), overrides, JobOutcome.NOT_RUN)
        return dict(sorted(entries.items()))

    def _not_begun(self, entries: dict[int, Entry]) -> dict[int, list[str]]:
        """Return the overrides of each job without an entry, by number.

        A sweep that is shuffled has another order in the plan than in the sweeper. Its jobs are
        told by their overrides, and the missing ones take the numbers that are left.
        """
        plan = self.plan or []
        missing = [_without_hydra(each) for each in plan]
        for entry in entries.values():
            if entry.overrides in missing:
                missing.remove(entry.overrides)
        free = [number for number in range(len(plan)) if number not in entries]
        if len(missing) != len(free):  # told apart by nothing but their numbers
            missing = [plan[number] for number in free]
        return dict(zip(free, missing, strict=True))

    def _unended(self, entry: Entry, early: bool) -> Entry:
        """Return the final state of a job that has not recorded its end."""
        if in_use(self.journal.sweep / entry.name):
            ending = (JobOutcome.RUNNING, LEFT)
        else:
            ending = (JobOutcome.INTERRUPTED, STOPPED) if early else (JobOutcome.FAILED, LOST)
        return Entry(entry.name, entry.overrides, *ending)


_running: Sweep | None = None
"""Sweep that this process started, if any."""


def end_sweep(early: bool) -> str:
    """End the sweep that this process started, if any; see `Sweep.end`."""
    global _running
    sweep, _running = _running, None
    return sweep.end(early) if sweep else ""


def sweep_runs_here() -> bool:
    """Return whether this process is the one that started a sweep."""
    return _running is not None


def one_of_many() -> bool:
    """Return whether a sweep that runs here has other jobs; its table then shows all results."""
    return _running is not None and (_running.plan is None or len(_running.plan) > 1)


def planned(config: DictConfig) -> list[list[str]] | None:
    """Return the overrides of each job; None unless Hydra's own sweeper runs the sweep."""
    sweeper = config.hydra.sweeper
    if not str(sweeper.get("_target_")).endswith(f".{BasicSweeper.__name__}"):
        return None
    params = sweeper.params or {}
    given = [f"{key!s}={value}" for key, value in params.items()]
    return jobs_of([*given, *config.hydra.overrides.task])


def _plan_if_known(config: DictConfig) -> tuple[list[list[str]] | None, str]:
    """Return `planned`, and a sentence if there is nothing to run; never raise.

    What else is wrong with the overrides, the sweeper says itself.
    """
    try:
        return planned(config), ""
    except SpearError as error:
        return None, str(error)
    except Exception as error:
        log.debug("the jobs of this sweep are not known beforehand (%s)", error)
        return None, ""


def _without_hydra(overrides: list[str]) -> list[str]:
    """Return the overrides that a job records: all but those of Hydra's own configuration."""
    return [each for each in overrides if not each.lstrip("+~").startswith(("hydra.", "hydra/"))]


def _is_complete(entry: Entry) -> bool:
    return entry.outcome in (JobOutcome.DONE, JobOutcome.SKIPPED)


def _quoted(text: str) -> str:
    """Return a text in quotes, for Hydra's grammar."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
