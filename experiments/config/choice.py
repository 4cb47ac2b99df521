"""Experiments on a command line: a line for each, with the file that Hydra looks for."""

import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override

from spear.errors import ConfigError
from spear.experiments.config.experiments import current_name, experiment_name, experiments
from spear.experiments.config.moved import hint

EXPERIMENT = re.compile(r"\+{0,2}experiment=")


CONFIG_DIR = re.compile(r"(?:--config-dir|-cd)(?:=(.+))?")
"""Hydra's flag for a folder of the user's own configurations."""


def divided(arguments: list[str]) -> list[list[str]]:
    """Return a command line for each experiment that one names, in turn.

    An experiment may bring a sweep, a sweeper and a launcher of its own. Hydra reads these once
    for each command line, so that a line with several experiments would run none of their sweeps.

    Raises:
        ConfigError: the experiment is given twice, or a `glob` matches none.
        HydraException: the names cannot be parsed.
    """
    places = [k for k, each in enumerate(arguments) if EXPERIMENT.match(each)]
    if len(places) > 1:
        first, second = (arguments[k].partition("=")[2] for k in places[:2])
        raise ConfigError(
            f"experiment is given twice, as {first} and {second}; write "
            f"experiment={first},{second} to run both, one after the other."
        )
    if not places or arguments[places[0]].partition("=")[2] in ("", "null"):
        return [arguments]
    (k,) = places
    key = arguments[k].partition("=")[0]
    names = _names(arguments[k], _own(arguments))
    return [[*arguments[:k], f"{key}={name}", *arguments[k + 1 :]] for name in names]


def located(arguments: list[str]) -> list[str]:
    """Return a command line's arguments with the file in place of each experiment's name.

    `experiment=table9` becomes `experiment=paper/table9`; so do sweeps and `glob(table*)`. A
    former name becomes the present one, with a hint on the standard error. Other names stay as
    they are: they may be files of the user's own (`--config-dir`), or Hydra refuses them.

    Raises:
        HydraException: an argument cannot be parsed.
    """
    return [_located(each) if EXPERIMENT.match(each) else each for each in arguments]


def shortened(arguments: list[str]) -> list[str]:
    """Return arguments with the name in place of each experiment's file, as users write them."""
    return [
        f"{each.partition('=')[0]}={experiment_name(each.partition('=')[2])}"
        if EXPERIMENT.match(each)
        else each
        for each in arguments
    ]


def _located(argument: str) -> str:
    key, _, value = argument.partition("=")
    if value in ("", "null"):
        return argument
    return f"{key}={','.join(_choice(each) for each in _names(argument))}"


def _names(argument: str, own: list[str] | None = None) -> list[str]:
    """Return the names that `experiment=...` gives, one or those of its sweep, each once.

    Args:
        argument: the whole override.
        own: names of the user's own experiments, among which a `glob` chooses, too.
    """
    override: Override = OverridesParser.create().parse_override(argument)
    value = override.value()
    if isinstance(value, Glob):
        prepared = {each.name: each.choice for each in experiments().values()}
        known = prepared | {name: name for name in own or []}
        found = [name for name, choice in known.items() if _matches(value, name, choice)]
        if not found:
            raise ConfigError(f"{argument} matches no experiment; `spear experiments` lists all.")
        return found
    if override.is_sweep_override():
        return list(dict.fromkeys(override.sweep_string_iterator()))
    return [str(value)]


def _matches(pattern: Glob, *names: str) -> bool:
    """Return whether a pattern includes one of an experiment's names and excludes none."""

    def any_of(patterns: list[str]) -> bool:
        return any(fnmatch(name, each) for name in names for each in patterns)

    return any_of(pattern.include) and not any_of(pattern.exclude)


def _own(arguments: list[str]) -> list[str]:
    """Return the experiments in the folders that the command line adds to Hydra's search path."""
    return [
        path.relative_to(folder).with_suffix("").as_posix()
        for folder in _folders(arguments)
        for path in sorted(folder.rglob("*.yaml"))
    ]


def _folders(arguments: list[str]) -> Iterator[Path]:
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        flag = CONFIG_DIR.fullmatch(argument)
        if flag:
            yield Path(flag[1] or following, "experiment")


def _choice(given: str) -> str:
    name = experiment_name(given)
    present = current_name(name)
    found = experiments().get(present)
    if found is None or given not in (name, f"{found.room}/{name}"):
        return given
    if name != present:
        sys.stderr.write(
            hint("experiment", name, present, ", as is the folder of its results") + "\n"
        )
    return found.choice
