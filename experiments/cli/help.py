"""The help of the programs that Hydra configures, in their own words.

Hydra lists all groups of `conf/` before it fills in any help, which takes it seconds.
"""

import sys

from omegaconf import DictConfig, OmegaConf

from spear.experiments.config.schema import CONF, register

FLAGS = ("--help", "-h")


def helped(config_name: str, arguments: list[str]) -> bool:
    """Return whether a command line asks for help, and if so, print it.

    Args:
        config_name: name of the program's file in `conf/`, which has the help.
        arguments: arguments of the command line.
    """
    if not any(each in FLAGS for each in arguments):
        return False
    register()
    config = OmegaConf.load(CONF / f"{config_name}.yaml")
    assert isinstance(config, DictConfig)
    sys.stdout.write(f"{config.hydra.help.template}\n")
    return True
