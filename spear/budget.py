"""Time budget of an attack: what is spent of it, whether it is over, and how far the attack is."""

import time

from spear.attack import Progress, ProgressCallback


class Budget:
    """Seconds that an attack may take, counted from when the budget is made.

    Args:
        limit: seconds after which it is over; None for no limit.
        progress: hears of the attack's progress, if anyone wants to.
    """

    def __init__(
        self, limit: float | None = None, progress: ProgressCallback | None = None
    ) -> None:
        self.limit = limit
        self._progress = progress
        self._began = time.perf_counter()

    @property
    def spent(self) -> float:
        """Seconds since the budget was made."""
        return time.perf_counter() - self._began

    def over(self) -> bool:
        """Tell whether more than the limit is spent; never without a limit."""
        return self.limit is not None and self.spent > self.limit

    def report(self, progress: Progress) -> None:
        """Pass on how far the attack is, if anyone wants to know."""
        if self._progress is not None:
            self._progress(progress)
