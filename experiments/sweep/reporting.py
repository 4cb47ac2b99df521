"""Reports of jobs: alone an error is raised; in a sweep it is reported and the others go on."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console

from spear.experiments.job.folder import reason_of
from spear.experiments.job.job import file_log
from spear.experiments.job.outcome import JobOutcome
from spear.experiments.record.redaction import Redaction
from spear.experiments.sweep.journal import Entry, Journal
from spear.experiments.sweep.monitor import one_of_many, sweep_runs_here
from spear.experiments.sweep.signals import sigterm_interrupts
from spear.experiments.tracking.terminal import shared_console

log = logging.getLogger(__name__)


@dataclass
class Report:
    """Facts about a job that it reports to its sweep.

    Attributes:
        console: console for its progress; quiet in a worker of a sweep.
        brief: whether the sweep's table alone shows the results.
        skipped: whether the job was complete before this run.
        note: sentence about batches that the attack did not recover, or "".
    """

    console: Console
    brief: bool = False
    skipped: bool = False
    note: str = ""


@contextmanager
def reported(name: str, overrides: list[str], number: int | None) -> Iterator[Report]:
    """Report a job's state and its end to the sweep; end it cleanly on SIGTERM.

    In a sweep an error is not raised further, so that the other jobs run. An interrupt is: it is
    meant for the whole sweep.

    Args:
        name: name of the job's run folder.
        overrides: overrides that run it alone.
        number: number of the job in its sweep; None outside a sweep.
    """
    journal = Journal.of_this_job()
    worker = journal is not None and not sweep_runs_here()
    report = Report(Console(quiet=True) if worker else shared_console(), one_of_many())
    start = time.perf_counter()

    def tell(outcome: JobOutcome, reason: str = "") -> None:
        if journal and number is not None:
            seconds = time.perf_counter() - start
            journal.write(number, Entry(name, overrides, outcome, reason, seconds))

    # A full disk is told once, not by every message; for good, since Hydra writes to the log of
    # this job until the next one begins.
    logging.raiseExceptions = False
    for handler in logging.getLogger().handlers:
        handler.addFilter(Redaction())
    tell(JobOutcome.RUNNING)
    with sigterm_interrupts():
        try:
            yield report
        except (KeyboardInterrupt, SystemExit):  # the latter from submitit, to requeue the job
            tell(JobOutcome.INTERRUPTED, "interrupted")
            raise
        except Exception as error:
            tell(JobOutcome.FAILED, reason_of(error))
            if journal is None:
                file_log.debug("failed: %s", reason_of(error))
                raise
            log.error("%s: %s", name, reason_of(error))
        else:
            tell(JobOutcome.SKIPPED if report.skipped else JobOutcome.DONE, report.note)
