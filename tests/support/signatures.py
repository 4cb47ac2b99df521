"""What the classes that `conf/` names take, and which of it a configuration has."""

import dataclasses
import inspect
from collections.abc import Collection, Iterator
from typing import Any

from hydra.utils import get_object

REQUIRED = inspect.Parameter.empty
"""The default of an argument that has none."""

LEFT_OUT = {
    ("spear.baselines.gradient_matching.Adam", "transform"): (
        "an object; none unless a file or +KEY.transform._target_ names one"
    ),
    ("spear.baselines.gradient_matching.Transformed", "transform"): (
        "chosen by the defense, if attack/transform has a file of its name"
    ),
    ("spear.baselines.label_recovery.RecoveredFeatureDistance", "recovery"): (
        "the feature and the label come from the same method, the default of both classes"
    ),
    ("spear.baselines.label_recovery.RecoveredLabels", "recovery"): (
        "the feature and the label come from the same method, the default of both classes"
    ),
    ("spear.baselines.tableak.TabLeak", "objective"): "an object; part of the published method",
    ("spear.baselines.tableak.TabLeak", "optimiser"): "an object; part of the published method",
}
"""Class and argument -> why a configuration may have the class without the argument."""


def defaults(target: str) -> dict[str, Any]:
    """The arguments of a class or function, each with its default or `REQUIRED`; lists for tuples.

    Args:
        target: as in a `_target_`.
    """
    found = get_object(target)
    values = {name: each.default for name, each in inspect.signature(found).parameters.items()}
    if dataclasses.is_dataclass(found):
        for field in dataclasses.fields(found):
            if field.default_factory is not dataclasses.MISSING and field.name in values:
                values[field.name] = field.default_factory()
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def missing(node: Any, given: Collection[str] = ()) -> set[tuple[str, str]]:
    """Class and argument of what a node, or one inside it, leaves out.

    Args:
        node: plain values.
        given: arguments of the node's own class that only the running job knows.
    """
    return {
        (inner["_target_"], argument)
        for inner in _nodes(node)
        for argument in defaults(inner["_target_"])
        if argument not in inner and not (inner is node and argument in given)
    }


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield node
        for value in node.values():
            yield from _nodes(value)
