"""Fuzz tests of configurations: a wrong value is told in one sentence before any work."""

from functools import cache

from fuzzing import answered, every, examples
from hydra.errors import HydraException
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from specs import spec_of

from spear.errors import ConfigError
from spear.experiments.cli.explain import explain
from spear.experiments.config.schema import CONF, register

GROUPS = ("attack", "defense", "fedavg", "aggregation", "drawing", "augmentation", "risk")
"""Parties that take no data set and no size of a network to be made."""

NUMBERS = (
    "0",
    "-1",
    "1",
    "3",
    "2.5",
    "-0.5",
    "1e400",
    "nan",
    "inf",
    "-inf",
    "1e-320",
    "10000000000",
)

WORDS = ("null", "true", "''", "abc", "[]", "[1,2]", "{}", "{a:1}", "???", "${seed}", "ä", "'0'")


def chosen(group: str) -> list[str]:
    return sorted(each.stem for each in (CONF / group).glob("*.yaml"))


@cache
def keys(choice: str) -> list[str]:
    """The keys that a job with this choice has in its group; none for some."""
    register()
    group = choice.partition("=")[0]
    leaves = flat(OmegaConf.create(spec_of(choice).config_yaml)[group], group)
    return [each for each in leaves if "_target_" not in each]


def flat(node, path: str) -> list[str]:
    if not OmegaConf.is_dict(node):
        return [path]
    return [leaf for key in node for leaf in flat(node[key], f"{path}.{key}")]


def made(*overrides: str) -> None:
    """Make all parties of a job, as it begins."""
    try:
        spec = spec_of(*overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error, list(overrides))) from error
    for group in GROUPS:
        getattr(spec, group)()


CHOICES = [f"{group}={name}" for group in GROUPS for name in chosen(group)]

VALUES = st.sampled_from([*NUMBERS, *WORDS]) | st.text("abz09.,:[]{}()'\"=$-+e_ ", max_size=8)


@examples(25, 1500)
def test_values_of_keys(n):
    def holds(case):
        choice, number, value = case
        if known := keys(choice):
            answered(lambda: made(choice, f"{known[number % len(known)]}={value}"))

    every(n, st.tuples(st.sampled_from(CHOICES), st.integers(0, 99), VALUES), holds)


ROOT = (
    "batch_size",
    "n_batches",
    "first_batch",
    "seed",
    "threads",
    "device",
    "save",
    "name",
    "force",
)


@examples(20, 600)
def test_values_of_the_root(n):
    def holds(case):
        answered(lambda: made("{}={}".format(*case)))

    every(n, st.tuples(st.sampled_from(ROOT), VALUES), holds)
