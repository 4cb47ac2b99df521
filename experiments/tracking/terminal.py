"""The terminal that all output of this process shares."""

from functools import cache

from rich.console import Console


@cache
def shared_console() -> Console:
    """Return the one console of this process, so that progress bars stand below each other."""
    return Console()
