"""Time budget of an attack: seconds spent, whether they are over, and reports of progress."""

import time

from spear.attack import Progress, ProgressCallback


class Budget:
    """Seconds that an attack may take, counted from the construction of the budget.

    Args:
        limit: seconds after which the budget is over; None for no limit.
        progress: called with each progress that the attack reports; None if nobody listens.
    """

    def __init__(
        self, limit: float | None = None, progress: ProgressCallback | None = None
    ) -> None:
        self.limit = limit
        self._progress = progress
        self._began = time.perf_counter()

    @property
    def spent(self) -> float:
        """Seconds since the budget was constructed."""
        return time.perf_counter() - self._began

    def share(self, parts: int) -> "Budget":
        """Return a budget that begins now, of one of some equal parts of the seconds left."""
        left = None if self.limit is None else max(0.0, self.limit - self.spent) / parts
        return Budget(left, self._progress)

    def over(self) -> bool:
        """Return whether more than the limit is spent; False without a limit."""
        return self.limit is not None and self.spent > self.limit

    def report(self, progress: Progress) -> None:
        """Pass the attack's progress on to the listener, if there is one."""
        if self._progress is not None:
            self._progress(progress)
