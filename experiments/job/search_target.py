"""What a search over configurations makes small: a number of each job, from its summary."""

import json
import math
from pathlib import Path
from typing import Any, Protocol

from spear.errors import ConfigError
from spear.experiments.config.spec import JobSpec
from spear.experiments.record.run_files import SUMMARY


class SearchTarget(Protocol):
    """The number to be made small. A new one implements this; the key `objective` names it."""

    def __call__(self, summary: dict[str, Any]) -> float:
        """The number to be made small."""
        ...


class LeastThatStops:
    """The strength of a defense where it stops the attack, and more than any strength elsewhere.

    Where it does not, the number falls with what the attack still reaches, which tells the search
    where to go.

    Args:
        strength: of the job's defense, above 0.
        strongest: of the search.
        measure: key of the summary that says what the attack reaches, from 0 to 1.
        at_most: the attack counts as stopped where it reaches no more than this.

    Raises:
        ConfigError: a strength is not in (0, strongest].
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
        """At most `strongest` where the attack is stopped, above it where it is not."""
        if self.stopped(summary):
            return self.strength
        return self.strongest * (1 + summary[self.measure])


def searched_number(spec: JobSpec, folder: Path) -> float | None:
    """Return the number of a complete job, or None if nothing is searched for.

    Args:
        spec: of the job.
        folder: where the job has left its summary.
    """
    if spec.search_target is None:
        return None
    wanted: SearchTarget = spec.search_target()
    return wanted(json.loads((folder / SUMMARY).read_text()))
