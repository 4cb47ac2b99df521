"""`spear plan`: print the expected time of a job or a sweep, without running an attack."""

import sys
from typing import TYPE_CHECKING

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from spear.experiments.config.axes import jobs_of
from spear.experiments.config.choice import EXPERIMENT, divided, located, shortened
from spear.experiments.config.moved import accept_old_targets
from spear.experiments.config.schema import CONF, register

if TYPE_CHECKING:
    from spear.experiments.cli.forecasts import Planned

HELP = """usage: spear plan [-m] [key=value ...]

Prints the expected time of a job, or with -m or a prepared experiment of a sweep, before it starts:
  spear plan experiment=scaling
  spear plan -m batch_size=4,8,16 network.width=200,400 n_batches=100
The forecast is of the search by descent (attack=spear_irls) and of those on layer pairs (spear_pair
and its methods, spear_network), or the one that the default tries first, on one thread of this
machine, whose speed is measured for a second each. Nine of ten jobs end within the range beside it.
The last line has the memory and minutes to ask a cluster for, for the largest of the jobs.
"""


def main(arguments: list[str]) -> None:
    """Print the plan.

    Raises:
        SpearError: a choice cannot be used.
        HydraException: an override cannot be parsed or applied.
    """
    if not arguments or "--help" in arguments or "-h" in arguments:
        sys.stdout.write(HELP)
        return
    jobs = plan([each for each in arguments if each not in ("-m", "--multirun")])

    from spear.experiments.cli.forecasts import rates, table
    from spear.experiments.cli.resources import request

    measured = rates(jobs)
    sys.stdout.write(table(jobs, measured) + request(jobs, measured))


def plan(overrides: list[str]) -> "list[Planned]":
    """Return every job of a sweep, also of those that prepared experiments contain.

    Raises:
        SpearError: an experiment or a sweep has no job.
        HydraException: an override cannot be parsed or applied.
    """
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        jobs = [job for each in divided(overrides) for job in _jobs(located(each))]

    from spear.experiments.cli.forecasts import planned  # after wrong names

    return [planned(name, config) for name, config in jobs]


def _jobs(overrides: list[str]) -> list[tuple[str, DictConfig]]:
    """Return name and configuration of every job of a sweep with at most one experiment."""
    chosen = [each for each in overrides if EXPERIMENT.match(each)]
    swept = compose("config", chosen, return_hydra_config=True).hydra.sweeper.params
    prepared = OmegaConf.to_container(swept) if swept else {}
    assert isinstance(prepared, dict)
    lines = [f"{key!s}={values}" for key, values in prepared.items()]
    return [_composed(each) for each in jobs_of([*lines, *overrides])]


def _composed(overrides: list[str]) -> tuple[str, DictConfig]:
    config = compose("config", overrides)
    accept_old_targets(config)
    return ",".join(shortened(overrides)) or "defaults", config
