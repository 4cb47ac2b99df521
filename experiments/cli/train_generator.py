"""`spear train-generator`: train the generator that `attack=gifd` searches."""

import sys
from dataclasses import dataclass
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig

from spear.experiments.cli.help import helped
from spear.experiments.config.schema import CONF, register


@dataclass
class GeneratorSchema:
    """Keys of the command."""

    dataset: Any = MISSING
    generator: Any = MISSING
    training: Any = MISSING
    seed: int = MISSING
    threads: int = MISSING
    data_root: str = MISSING
    output_root: str = MISSING
    weights: str = MISSING


register()
ConfigStore.instance().store(name="generator_schema", node=GeneratorSchema)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="generator")  # type: ignore[untyped-decorator]
def run(config: DictConfig) -> None:
    """Train a generator."""
    from spear.experiments.cli.generator import run  # after the help and wrong names

    run(config)


def main(arguments: list[str]) -> None:
    """Train and write a generator.

    Raises:
        SpearError: a setting cannot be used.
        HydraException: an override cannot be parsed or applied.
    """
    if helped("generator", arguments):
        return
    sys.argv[1:] = arguments
    run()
