"""Packages that a configuration may name as a `_target_`, since whatever it names is run."""

import os
from collections.abc import Iterator
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig

from spear.errors import ConfigError

ALLOWED = ("spear", "experiments")
VARIABLE = "SPEAR_PACKAGES"
"""Environment variable with further packages, separated by commas. It is not a key, because a
configuration must not be able to allow itself what it runs."""


def check_targets(node: Any, path: str = "") -> None:
    """Refuse a `_target_` outside the allowed packages, anywhere in a configuration.

    The object that it resolves to must belong to them, too. So `spear.MODULE.os.system` is refused.

    Raises:
        ConfigError: a target is not allowed; names its key.
    """
    for key, target in _targets(node, path):
        if not _is_allowed(str(target)):
            raise _refusal(key, target)
        found = get_object(str(target))
        if not _is_allowed(getattr(found, "__module__", None) or ""):
            raise _refusal(key, target)


def allowed_packages() -> tuple[str, ...]:
    """Return the packages of the suite and those that the user adds."""
    named = os.environ.get(VARIABLE, "").split(",")
    return (*ALLOWED, *(each.strip() for each in named if each.strip()))


def _is_allowed(name: str) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in allowed_packages())


def _refusal(key: str, target: object) -> ConfigError:
    return ConfigError(
        f"key {key!r} is {target!r}, which is not in the packages that a configuration may run "
        f"({', '.join(allowed_packages())}); to allow it, name its package in the environment "
        f"variable {VARIABLE}."
    )


def _targets(node: Any, path: str) -> Iterator[tuple[str, object]]:
    """Yield the full key and the value of every `_target_` in a node."""
    if isinstance(node, DictConfig):
        for name, value in node.items_ex(resolve=True):
            key = f"{path}.{name!s}" if path else str(name)
            if name == "_target_":
                yield key, value
            else:
                yield from _targets(value, key)
    elif isinstance(node, ListConfig):
        for index, value in enumerate(node):
            yield from _targets(value, f"{path}[{index}]")
