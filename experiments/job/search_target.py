"""Numbers that a search over configurations minimises, each from a job's summary."""

import json
import math
from pathlib import Path
from typing import Any, Protocol

from spear.errors import ConfigError
from spear.experiments.config.spec import JobSpec
from spear.experiments.record.run_files import SUMMARY


class SearchTarget(Protocol):
    """Number that a search minimises. A new one implements this; the key `objective` names it."""

    def __call__(self, summary: dict[str, Any]) -> float:
        """Return the number to minimise."""
        ...


class LeastThatStops:
    """Strength of a defense that stops the attack; a larger number for one that does not.

    If the attack is not stopped, the number is above every strength, and it is the larger the more
    the attack still reaches. So the search finds its way to stronger defenses.

    Args:
        strength: strength of the job's defense, above 0.
        strongest: greatest strength that the search tries.
        measure: key of the summary for what the attack reaches, from 0 to 1.
        at_most: greatest `measure` at which the attack counts as stopped.

    Raises:
        ConfigError: the strength is not in (0, strongest].
    """

    def __init__(self, strength: float, strongest: float, measure: str, at_most: float) -> None:
        if not 0 < strength <= strongest:
            raise ConfigError(
                f"objective.strength is {strength}; expected more than 0 and at most "
                f"objective.strongest, {strongest}."
            )
        self.strength = strength
        self.strongest = strongest
        self.measure = measure
        self.at_most = at_most

    def stopped(self, summary: dict[str, Any]) -> bool:
        """Return whether the attack reaches no more than `at_most`.

        Raises:
            ConfigError: the summary has no such measure.
        """
        reached = summary.get(self.measure)
        if not isinstance(reached, int | float) or not math.isfinite(reached):
            raise ConfigError(
                f"objective.measure is {self.measure!r}, which this job does not have; expected "
                "one of the numbers in its summary.json."
            )
        return reached <= self.at_most

    def __call__(self, summary: dict[str, Any]) -> float:
        """Return at most `strongest` if the attack is stopped, else more."""
        if self.stopped(summary):
            return self.strength
        return self.strongest * (1 + summary[self.measure])


def searched_number(spec: JobSpec, folder: Path) -> float | None:
    """Return the number of a complete job, or None if nothing is searched for.

    Args:
        spec: specification of the job.
        folder: folder with the job's summary.
    """
    if spec.search_target is None:
        return None
    wanted: SearchTarget = spec.search_target()
    return wanted(json.loads((folder / SUMMARY).read_text(encoding="utf-8")))
