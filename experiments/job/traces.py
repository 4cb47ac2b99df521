"""Traces of a job's recorded batches, `traces.csv`, by which an interrupted job trusts its rows."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from spear.experiments.record.files import append_text, write_text
from spear.experiments.record.records import BatchRecord, to_csv
from spear.experiments.record.run_files import TRACES


@dataclass(frozen=True)
class Trace:
    """Proof that a recorded batch is the computed one, and from which data.

    Attributes:
        row: SHA-256 of its row in `batches.csv`.
        data: SHA-256 of the private data of the job's batches up to this one.
    """

    row: str
    data: str


def row_hash(record: BatchRecord) -> str:
    """Return `Trace.row` of a batch."""
    return hashlib.sha256(to_csv([record], record.cells()).encode()).hexdigest()


def read_traces(folder: Path) -> list[Trace]:
    """Return the traces in a folder up to the first that is damaged; none without the file."""
    try:
        lines = (folder / TRACES).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        row, comma, data = line.partition(",")
        if not comma:
            break
        found.append(Trace(row, data))
    return found


def write_traces(folder: Path, traces: Iterable[Trace]) -> None:
    """Replace the folder's traces."""
    write_text(folder / TRACES, "".join(map(_line, traces)))


def add_trace(folder: Path, trace: Trace) -> None:
    """Add a trace to those of the folder."""
    append_text(folder / TRACES, _line(trace))


def _line(trace: Trace) -> str:
    return f"{trace.row},{trace.data}\n"
