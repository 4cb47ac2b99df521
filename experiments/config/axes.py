"""The jobs that overrides with sweeps in them stand for, in Hydra's whole grammar."""

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from spear.errors import ConfigError


def jobs_of(overrides: list[str]) -> list[list[str]]:
    """Return the overrides of every job: all combinations of the swept values.

    Hydra must be initialised, because `glob` chooses among the files of a group.

    Args:
        overrides: `key=value` with any sweep that Hydra knows: `1,2`, `choice`, `range`, `glob`,
            `sort` and `shuffle`, whose order is another one in each call. The last of several with
            the same key counts.

    Raises:
        ConfigError: an override is an interval, which has no values to take in turn, or a sweep
            without any value.
        HydraException: an override cannot be parsed.
    """
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    parsed = parser.parse_overrides(overrides)
    for each in parsed:
        if each.is_sweep_override() and not each.is_discrete_sweep():
            raise ConfigError(
                f"{each.input_line} has no values to take in turn; list them, as in "
                f"{each.get_key_element()}=1,2, or search it by a sweeper such as "
                "hydra/sweeper=optuna."
            )
        if each.is_sweep_override() and next(iter(each.sweep_string_iterator()), None) is None:
            raise ConfigError(f"{each.input_line} matches nothing; expected at least one value.")
    (jobs,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    return jobs
