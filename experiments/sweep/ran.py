"""Folders of the jobs of a command, for a caller in Python that wants their results."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_noted: dict[Path, None] | None = None
"""Folders in the order in which they were noted; None if nobody asks."""


@contextmanager
def noting() -> Iterator[dict[Path, None]]:
    """Yield a mapping whose keys become the run folders of all jobs run within the context."""
    global _noted
    before, _noted = _noted, {}
    try:
        yield _noted
    finally:
        _noted = before


def note(folder: Path) -> None:
    """Note the run folder of a job, which this process or a launcher's worker has run."""
    if _noted is not None:
        _noted[folder.absolute()] = None
