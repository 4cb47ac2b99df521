"""The lock of a run folder, seen from other processes."""

from pathlib import Path

from filelock import FileLock, Timeout

from spear.experiments.record.run_files import LOCK


def in_use(folder: Path) -> bool:
    """Return whether a process is running the job of a run folder."""
    if not (folder / LOCK).exists():
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True
