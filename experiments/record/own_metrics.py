"""The user's own metrics; one whose numbers would hide a job's number is refused."""

from collections.abc import Mapping
from typing import Any

from spear.errors import ConfigError
from spear.experiments.config.schema import JobSchema
from spear.experiments.record.records import columns_of
from spear.experiments.record.summary import aggregates
from spear.scoring.metric import Metric, kinds_of


def own_metrics(made: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Return the metrics that a configuration names, in its order.

    Args:
        made: objects that the key `metrics` defines, by their names there.

    Raises:
        ConfigError: an entry is not a metric, or a number has a name that is taken.
    """
    known = {"job", *columns_of(), *aggregates(), *JobSchema.__annotations__}
    for name, metric in made.items():
        if not isinstance(metric, Metric):
            raise ConfigError(
                f"key 'metrics.{name}' names {type(metric).__name__}, which is not a metric; "
                "expected a class derived from spear.scoring.Metric."
            )
        numbers = {*kinds_of([metric]), *metric.summary()}
        if numbers & known:
            raise ConfigError(
                f"key 'metrics.{name}' has a number {min(numbers & known)!r}, but a job has "
                "another of that name; rename it."
            )
        known |= numbers
    return tuple(made.values())
