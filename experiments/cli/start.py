"""`spear run`: read the command line, and begin its jobs.

Loaded before PyTorch, so that help and wrong names need not wait for it.
"""

import sys

import hydra
from omegaconf import DictConfig

from spear.errors import SpearError
from spear.experiments.cli.help import helped
from spear.experiments.config.choice import located
from spear.experiments.config.schema import CONF, register

register()  # here: a launcher's worker asks for the folder of its job before it begins the job


_refused: list[SpearError] = []
"""Error of the single job of this process, kept from Hydra, which would say it in other words."""


def perform(config: DictConfig) -> float | None:
    """Run one job. Hydra's launchers call this.

    Returns:
        As `spear.experiments.cli.run.perform`.
    """
    from spear.experiments.cli.run import perform

    try:
        return perform(config)
    except SpearError as error:  # of a job outside a sweep
        _refused.append(error)
        return None


main = hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(perform)
"""Main program with Hydra's command line."""


def command(arguments: list[str]) -> None:
    """Run `spear run` with these arguments; `--force` is short for `force=true`.

    Raises:
        SpearError: the job cannot be run.
    """
    if helped("config", arguments):
        return
    sys.argv[1:] = ["force=true" if each == "--force" else each for each in located(arguments)]
    _refused.clear()
    main()
    if _refused:
        raise _refused.pop()
