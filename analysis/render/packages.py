"""The packages of tables and of figures: a module of each is one of them, and has its name."""

import pkgutil
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType

from spear.errors import ConfigError
from spear.spelling import did_you_mean


def names(package: ModuleType) -> list[str]:
    """Return the names of a package's modules without importing any."""
    return [each.name for each in pkgutil.iter_modules(package.__path__)]


def check_names(package: ModuleType, given: Iterable[str]) -> None:
    """Refuse a name that no module of a package has.

    Raises:
        ConfigError: there is no module of that name.
    """
    there = names(package)
    for name in given:
        if name not in there:
            end = did_you_mean(name, there, f"expected one of {', '.join(there)}")
            what = kind(package).removesuffix("s")
            raise ConfigError(f"{what} {name!r} does not exist; {end}.")


def modules(package: ModuleType) -> dict[str, ModuleType]:
    """Return the modules of a package by name."""
    return {name: import_module(f"{package.__name__}.{name}") for name in names(package)}


def kind(package: ModuleType) -> str:
    """Return `tables` or `figures`, which is also the subcommand that renders the package."""
    return package.__name__.rpartition(".")[2]
