"""Records that an earlier run of a job left in its folder, and checks that they still hold."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from spear.data import Batch
from spear.experiments.job.key import Key
from spear.experiments.job.status import JobState
from spear.experiments.job.traces import Trace, row_hash
from spear.experiments.record.files import shown
from spear.experiments.record.records import BatchRecord, from_csv
from spear.experiments.record.run_files import BATCHES, ERROR, RESULT, STATUS, SUMMARY
from spear.reconstruction import Status

log = logging.getLogger(__name__)


class Digest(Protocol):
    """Running hash, as `hashlib` has them."""

    def update(self, data: bytes, /) -> None:
        """Add bytes to the hash."""
        ...

    def hexdigest(self) -> str:
        """Return the hash of all bytes so far, in hexadecimal."""
        ...


def holds_result(folder: Path) -> bool:
    """Return whether an earlier run left results in a folder."""
    return any((folder / name).exists() for name in RESULT if name not in (ERROR, STATUS))


def mismatch(state: JobState, key: Key) -> str:
    """Return in words how a recorded result's key differs from this one, or nothing."""
    if not state.key:
        return "without a readable key"
    if state.key != key.digest:
        return f"of another {' and another '.join(key.differences(state.parts))}"
    return ""


def intact_records(
    folder: Path, traces: Sequence[Trace], numbers: Sequence[int], columns: Mapping[str, Any]
) -> list[BatchRecord]:
    """Return the recorded rows before the first that is missing, damaged or interrupted."""
    try:
        rows = from_csv((folder / BATCHES).read_text(encoding="utf-8"), columns)
    except (OSError, UnicodeDecodeError):
        rows = []
    intact: list[BatchRecord] = []
    for number, row, trace in zip(numbers, rows, traces, strict=False):
        if row.batch != number or row_hash(row) != trace.row:
            break
        if row.status == Status.INTERRUPTED:
            return intact
        intact.append(row)
    if len(traces) > len(intact) + 1:  # the last may not have come so far
        log.warning(
            "%s is damaged; its first %d batches are intact, the others are computed again",
            shown(folder / BATCHES), len(intact),
        )  # fmt: skip
    return intact


def has_summary(folder: Path) -> bool:
    """Return whether a folder has a complete summary."""
    try:
        json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def same_data(digest: Digest, batches: Iterable[Batch], traces: Sequence[Trace]) -> bool:
    """Return whether the batches are those of the traces; adds the batches to the digest."""
    for batch, trace in zip(batches, traces, strict=False):
        hash_batch(digest, batch)
        if digest.hexdigest() != trace.data:
            return False
    return True


def hash_batch(digest: Digest, batch: Batch) -> None:
    """Add a batch, as the network received it, to a digest."""
    for tensor in (batch.inputs, batch.labels):
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
