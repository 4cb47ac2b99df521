"""A job's specification, composed as the command does it."""

from hydra import compose, initialize_config_dir
from omegaconf import open_dict

from spear.experiments.cli.start import CONF
from spear.experiments.config.spec import JobSpec

SEARCH = (
    "objective={_target_:spear.experiments.job.search_target.LeastThatStops,strength:3e-5,"
    "strongest:0.01,measure:recovered_mean,at_most:0.05}"
)
"""As an experiment that searches has it."""


def spec_of(*overrides: str) -> JobSpec:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", ["device=cpu", *overrides], return_hydra_config=True)
    choices = dict(config.hydra.runtime.choices)
    with open_dict(config):
        del config["hydra"]
    return JobSpec.of(config, choices)
