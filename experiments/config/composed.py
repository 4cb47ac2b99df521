"""Configurations that Hydra composes, each once, and what is asked of them for every record."""

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from spear.experiments.config.schema import CONF, register


class Composed:
    """Configuration that Hydra composes from some overrides.

    Args:
        config: the configuration, not resolved.
        choices: chosen file of each group.
        swept: values of each key that its experiment sweeps, as on the command line.
    """

    def __init__(
        self, config: DictConfig, choices: Mapping[str, str], swept: Mapping[str, str]
    ) -> None:
        self.config, self.choices, self.swept = config, choices, swept
        self._known: dict[str, bool] = {}
        self._resolved: dict[str, dict[str, Any]] = {}

    @cached_property
    def plain(self) -> dict[str, Any]:
        """Value of every key that does not follow from others."""
        return dict(_leaves(self.config))

    def knows(self, key: str) -> bool:
        """Return whether the configuration has a key, or a plain value that it would lie in."""
        if key not in self._known:
            self._known[key] = _is_known(self.config, key)
        return self._known[key]

    def resolved(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the value of every key after some have got others, which the rest follow."""
        asked = repr(sorted(changes.items()))
        if asked not in self._resolved:
            filled = self.config.copy()
            for key, value in changes.items():
                OmegaConf.update(filled, key, value, merge=False)
            self._resolved[asked] = dict(flat(OmegaConf.to_container(filled, resolve=True)))
        return self._resolved[asked]


@cache
def composed(overrides: tuple[str, ...]) -> Composed:
    """Return the configuration of some overrides, the experiment's name among them."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", list(overrides), return_hydra_config=True)
    hydra = config.hydra
    swept = OmegaConf.to_container(hydra.sweeper.params) if hydra.sweeper.get("params") else {}
    choices = {str(key): str(value) for key, value in hydra.runtime.choices.items()}
    with open_dict(config):
        del config["hydra"]
    assert isinstance(swept, dict)
    return Composed(config, choices, {str(key): str(value) for key, value in swept.items()})


def flat(nested: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the value of every entry of a nested mapping."""
    for key, value in nested.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def same(one: Any, other: Any) -> bool:
    """Return whether two values of a key are the same; true is not 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _leaves(node: DictConfig, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the full key and the value of every entry that does not follow from others."""
    for key, value in node.items_ex(resolve=False):
        full = f"{prefix}{key!s}"
        if OmegaConf.is_interpolation(node, str(key)) or OmegaConf.is_missing(node, key):
            continue
        if isinstance(value, DictConfig) and len(value):
            yield from _leaves(value, f"{full}.")
        elif isinstance(value, ListConfig):
            yield full, OmegaConf.to_container(value)
        else:
            yield full, {} if isinstance(value, DictConfig) else value


def _is_known(own: DictConfig, key: str) -> bool:
    """Return whether a configuration has a key, or a plain value that it would lie in."""
    node: Any = own
    for part in key.split("."):
        if not isinstance(node, DictConfig):
            return True
        if part not in node:
            return False
        node = None if OmegaConf.is_interpolation(node, part) else node[part]
    return True
