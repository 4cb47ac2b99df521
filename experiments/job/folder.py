"""Run folder of one job: its lock, the records of earlier runs, and those of this one."""

import hashlib
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from spear.data import Batch
from spear.errors import ConfigError, SpearError
from spear.experiments.job import resume
from spear.experiments.job.key import Key
from spear.experiments.job.outcome import JobOutcome
from spear.experiments.job.status import JobState
from spear.experiments.job.superseded import set_aside
from spear.experiments.job.traces import Trace, add_trace, read_traces, row_hash, write_traces
from spear.experiments.record.files import CannotWrite, append_text, shown, write_json, write_text
from spear.experiments.record.records import BatchRecord, columns_of, rows_of, to_csv
from spear.experiments.record.run_files import BATCHES, ERROR, LOCK, SUMMARY


class Busy(SpearError):
    """Another process is running this job."""


class RunFolder:
    """Run folder of one job; a context manager while the job runs.

    It admits one process at a time. Every file in it is complete: it is written beside its place,
    then moved there. To `batches.csv` and `traces.csv` alone a line is added per batch, which
    costs the same for the last of many batches as for the first; a line that was cut off is known
    by its hash. A job that fails leaves its traceback and its status.

    Args:
        path: path of the folder, which is created if needed.
        choices: chosen files of the configuration by group, for the status of a job that has no
            summary yet; `overrides`, what its command set; `number`, that of the job in its sweep.

    Attributes:
        columns: columns of `batches.csv` with their types; a job adds those of its own metrics.
    """

    def __init__(
        self,
        path: Path,
        choices: Mapping[str, str] | None = None,
        overrides: Sequence[str] = (),
        number: int | None = None,
    ) -> None:
        self.path = path
        self._number = number
        self._choices, self._overrides = dict(choices or {}), list(overrides)
        self.columns = columns_of()
        self.records: list[BatchRecord] = []
        self.complete = False
        self._state: JobState | None = None
        self._data_hash = hashlib.sha256()
        self._lock = FileLock(path / LOCK)

    def __enter__(self) -> Self:
        """Lock the folder.

        Raises:
            ConfigError: the folder cannot be written.
            Busy: another process holds the lock.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise Busy(
                f"another process is running this job in {shown(self.path)}; wait for it, or "
                "stop it."
            ) from None
        except OSError as error:
            raise ConfigError(
                f"the output folder {self.path} cannot be written ({error.strerror}); "
                "set output_root to a folder that can."
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Record the failure if the job failed; release the lock."""
        try:
            if error is not None:
                with suppress(CannotWrite):  # then the error itself is all that can be told
                    self._write_failure(error)
        finally:
            self._lock.release()

    def begin(
        self, key: Key, numbers: Sequence[int], draw: Callable[[int], Batch], unwanted: str = ""
    ) -> None:
        """Load the `records` of an earlier run with the same key and data, if there are any.

        Afterwards `complete` is true if nothing is left to do. A result with another key or other
        data is moved aside, never deleted.

        Args:
            key: key of the job as it would run now.
            numbers: numbers of its batches.
            draw: returns the private batch of a number, which is compared with the recorded one. Of
                a complete job only the first batch is compared.
            unwanted: reason to move aside whatever is there, or "".
        """
        state = JobState.read(self.path) or JobState()
        traces = read_traces(self.path)
        if resume.holds_result(self.path):
            reason = unwanted or resume.mismatch(state, key)
            reason = reason or self._take_up(numbers, draw, traces)
            if reason:
                set_aside(self.path, reason, state.key)
                self.records, self.complete, self._data_hash = [], False, hashlib.sha256()
                state = JobState.new(key)
        else:
            state = JobState.new(key)
        self._state = state
        if self.complete:
            if self._number not in (None, state.number):
                self._write_state(state)  # its number in this sweep
        else:
            state.outcome, state.reason = JobOutcome.RUNNING, ""
            (self.path / ERROR).unlink(missing_ok=True)
            self._write_state(state)
            write_traces(self.path, traces[: len(self.records)])
            write_text(self.path / BATCHES, to_csv(self.records, self.columns))

    def add(self, record: BatchRecord, batch: Batch) -> None:
        """Write a batch's row to `batches.csv` at once, and add its data to `data_hash`."""
        self.records.append(record)
        resume.hash_batch(self._data_hash, batch)
        # The trace first: a trace without a row is no damage, a row without a trace is.
        add_trace(self.path, Trace(row_hash(record), self.data_hash))
        append_text(self.path / BATCHES, rows_of([record], self.columns))

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the summary, which makes the job complete."""
        write_json(self.path / SUMMARY, summary)
        self._begun.outcome = JobOutcome.DONE
        self._write_state(self._begun)

    @property
    def data_hash(self) -> str:
        """SHA-256 of all batches so far, as the network received them."""
        return self._data_hash.hexdigest()

    @property
    def key(self) -> str:
        """`Key.digest` of the results in this folder."""
        return self._begun.key

    @property
    def _begun(self) -> JobState:
        assert self._state is not None, "begin() comes first"
        return self._state

    def _take_up(
        self, numbers: Sequence[int], draw: Callable[[int], Batch], traces: Sequence[Trace]
    ) -> str:
        """Load an earlier run's records; return the reason if that is not possible, or nothing."""
        self.records = resume.intact_records(self.path, traces, numbers, self.columns)
        self.complete = len(self.records) == len(numbers) and resume.has_summary(self.path)
        compared = 1 if self.complete else len(self.records)
        batches = (draw(number) for number in numbers[:compared])
        same = resume.same_data(self._data_hash, batches, traces)
        return "" if same else "of other data"

    def _write_failure(self, error: BaseException) -> None:
        state = self._state or JobState.read(self.path) or JobState()
        if not isinstance(error, Exception):
            state.outcome, state.reason = JobOutcome.INTERRUPTED, "interrupted"
        else:
            state.outcome, state.reason = JobOutcome.FAILED, reason_of(error)
            write_text(self.path / ERROR, "".join(traceback.format_exception(error)))
        self._write_state(state)

    def _write_state(self, state: JobState) -> None:
        state.choices, state.overrides = self._choices, self._overrides
        state.number = self._number
        state.write(self.path)


def reason_of(error: BaseException) -> str:
    """Return a sentence for an error."""
    return str(error) if isinstance(error, SpearError) else f"{type(error).__name__}: {error}"
