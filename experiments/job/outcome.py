"""Ways in which a job can end."""

from enum import StrEnum


class JobOutcome(StrEnum):
    """Outcome of a job."""

    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    """Complete before this run."""
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    NOT_RUN = "not run"
    """The sweep ended before its turn."""
