"""Jobs and sweeps from Python and notebooks: `spear.run(["dataset=digits", "batch_size=4,8"])`."""

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pandas as pd
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from spear.analysis.records.results import results_of
from spear.analysis.records.run_folder import BATCH
from spear.errors import ConfigError, SpearError
from spear.experiments.cli.entry import INTERRUPTED, run_all, without_hyphens
from spear.experiments.config.moved import accept_old_groups
from spear.experiments.sweep.ran import noting

COMMAND = "spear"
SWEEP = ("-m", "--multirun")
FLAGS = (*SWEEP, "--force")


class NotRun(SpearError):
    """No batch was attacked."""


def run(overrides: Iterable[str] = ()) -> pd.DataFrame:
    """Run a job or a sweep as the command does, and return its results.

    What is complete already is not computed again. Progress and tables are printed as by the
    command. The working directory, `sys.argv`, logging and Hydra are afterwards as they were.

    Args:
        overrides: what would follow `spear` on the command line, a text each, such as
            `["dataset=digits", "batch_size=4,8", "tracking=off"]`. A list of values is a sweep,
            with or without `-m`; `--force` computes again what is complete.

    Returns:
        A row per batch of all of these jobs, as `spear.results` returns them. Jobs of a sweep that
        failed have a row with the reason.

    Raises:
        NotRun: no batch was attacked, for example because a key does not exist; says why.
        ConfigError: an argument is a text where a list is expected, or an unknown flag.
        KeyboardInterrupt: the run was interrupted; run it again to go on.
    """
    arguments = _arguments(overrides)
    with noting() as folders, _as_it_was(arguments):
        said = run_all(arguments, COMMAND)
    if said.startswith(INTERRUPTED):
        raise KeyboardInterrupt(said)
    found = results_of(folders)
    if said and (found.empty or (len(folders) == 1 and found[BATCH].isna().all())):
        raise NotRun(said)
    return found


def _arguments(overrides: Iterable[str]) -> list[str]:
    if isinstance(overrides, str):
        raise ConfigError(
            f"overrides is {overrides!r}; expected a list of texts, such as {overrides.split()}."
        )
    arguments = accept_old_groups(without_hyphens([str(each) for each in overrides]))
    flags = [each for each in arguments if each.startswith("-")]
    unknown = [each for each in flags if each not in FLAGS]
    if unknown:
        raise ConfigError(
            f"{unknown[0]!r} is no override; expected KEY=VALUE, or one of {', '.join(FLAGS)}."
        )
    if any(each in SWEEP for each in flags) or not _sweeps(arguments):
        return arguments
    return [SWEEP[0], *arguments]


def _sweeps(arguments: list[str]) -> bool:
    """Return whether one of the overrides stands for several values."""
    given = [each for each in arguments if not each.startswith("-")]
    try:
        parsed = OverridesParser.create().parse_overrides(given)
    except HydraException:  # which the command tells in a sentence
        return False
    return any(each.is_sweep_override() for each in parsed)


@contextmanager
def _as_it_was(arguments: list[str]) -> Iterator[None]:
    """Lend the process to the command: restore all that Hydra and the command change in it."""
    argv, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    hydra, root = GlobalHydra.instance(), logging.getLogger()
    initialised, raises = hydra.hydra, logging.raiseExceptions
    handlers, level = root.handlers[:], root.level
    try:
        sys.argv = [COMMAND, *arguments]
        os.environ["HYDRA_FULL_ERROR"] = "1"  # hand exceptions over instead of printing them
        hydra.clear()
        yield
    finally:
        sys.argv = argv
        os.environ.pop("HYDRA_FULL_ERROR")
        if full_error is not None:
            os.environ["HYDRA_FULL_ERROR"] = full_error
        hydra.clear()
        if initialised is not None:
            hydra.initialize(initialised)
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.raiseExceptions = raises
