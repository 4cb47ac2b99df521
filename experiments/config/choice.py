"""Turns `experiment=NAME` on a command line into the file name that Hydra looks for."""

import re
import sys

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override

from spear.experiments.config.experiments import current_name, experiment_name, experiments
from spear.experiments.config.moved import hint

EXPERIMENT = re.compile(r"\+{0,2}experiment=")


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
    override = OverridesParser.create().parse_override(argument)
    return f"{key}={','.join(_choice(each) for each in _names(override))}"


def _names(override: Override) -> list[str]:
    """Return the names of an override, one or those of its sweep."""
    value = override.value()
    if isinstance(value, Glob):
        return value.filter(list(experiments()))
    if override.is_sweep_override():
        return list(override.sweep_string_iterator())
    return [str(value)]


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
