"""A job's configuration as plain values and factories, read and checked once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self

from omegaconf import DictConfig, OmegaConf
from torch import nn

from spear.attack import Attack
from spear.client.aggregation import Aggregation
from spear.client.defenses import Defense
from spear.client.local_training import LocalTraining
from spear.client.risk import RiskForecast
from spear.data import Dataset, Drawing
from spear.data.augmentation import Augmentation
from spear.errors import ConfigError
from spear.experiments.config.build import (
    UnknownKey,
    check_arguments,
    check_each,
    create,
    resolve_device,
)
from spear.experiments.config.experiments import experiment_name, own_keys
from spear.experiments.config.moved import accept_old_targets
from spear.experiments.config.schema import JobSchema
from spear.experiments.config.targets import check_targets
from spear.experiments.config.threat import check_name
from spear.spelling import did_you_mean

NUMBERS = (
    "batch_size", "n_batches", "first_batch", "seed", "device", "threads", "lpips_net", "save",
    "threat_model", "force",
)  # fmt: skip
"""Keys whose values enter the specification unchanged."""

GROUPS = (
    "dataset", "drawing", "augmentation", "network", "fedavg", "defense", "aggregation", "risk",
    "attack", "tracking",
)  # fmt: skip
"""Keys that each name a class and its arguments."""

RUNTIME = {"network": {"input_shape", "n_classes"}}
"""Arguments of a group's class that only the running job knows."""

RECONSTRUCTIONS = "reconstructions"
"""Value of the key `save` with which the tensors of every batch are kept."""

IRRELEVANT = ("tracking", "force", "name", "save", "threat_model")
"""Keys of the configuration that cannot change a result."""

PLACES = {"data_root": "data", "output_root": "outputs"}
"""Keys for folders of this machine -> the stand-in for them, also inside of other values."""


class MakeNetwork(Protocol):
    """Factory of the network for a data set."""

    def __call__(self, *, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """Return the network, on the CPU."""
        ...


@dataclass(frozen=True)
class JobSpec:
    """Specification of one job. A factory in it may still refuse a value when it is called.

    Attributes:
        experiment: name of the experiment.
        choices: group of `conf/` -> chosen file.
        batch_size, n_batches, first_batch, seed, device, threads: the values of the keys of these
            names, in range; the device exists on this machine.
        lpips_net, save, threat_model, data_root, force: the values of these keys.
        dataset, drawing, augmentation, network, fedavg: factories of what the group of this name
            chooses; its keys and their types are checked.
        defense, aggregation, risk, attack, tracking: likewise.
        metrics: factories of the user's own metrics, by their names under the key `metrics`.
        search_target: factory of what the key `objective` names; None if nothing is searched for.
        config: every key, resolved, as plain values.
        config_yaml: the same as the text of `config.yaml`.
        relevant: the keys that a result depends on, without folders of this machine.
    """

    experiment: str
    choices: Mapping[str, str]
    batch_size: int
    n_batches: int
    first_batch: int
    seed: int
    device: str
    threads: int | None
    lpips_net: str
    save: str | None
    threat_model: str | None
    data_root: Path
    force: bool
    dataset: Callable[[], Dataset]
    drawing: Callable[[], Drawing]
    augmentation: Callable[[], Augmentation]
    network: MakeNetwork
    fedavg: Callable[[], LocalTraining]
    defense: Callable[[], Defense]
    aggregation: Callable[[], Aggregation]
    risk: Callable[[], RiskForecast]
    attack: Callable[[], Attack[Any]]
    tracking: Callable[[], Any]
    metrics: Mapping[str, Callable[[], Any]]
    search_target: Callable[[], Any] | None
    config: dict[str, Any]
    config_yaml: str
    relevant: dict[str, Any]

    @classmethod
    def of(cls, config: DictConfig, choices: Mapping[str, str]) -> Self:
        """Read a composed configuration; it is not changed.

        Raises:
            ConfigError: a key that does not exist, a value out of range or of the wrong type, a
                class outside the allowed packages, or a device that is not there; names the key.
        """
        check_keys(config)
        config = config.copy()
        config.device = resolve_device(config.device)
        accept_old_targets(config)
        check_targets(config)
        try:
            parties: dict[str, Any] = {group: _maker(config, group) for group in GROUPS}
        except UnknownKey as error:
            raise _unknown_to_choice(error, choices) from error
        searched = config.get("objective") is not None
        return cls(
            experiment=experiment_name(choices.get("experiment")),
            choices=dict(choices),
            data_root=Path(config.data_root),
            **{key: config[key] for key in NUMBERS},
            **parties,
            metrics=_makers(config, "metrics"),
            search_target=_maker(config, "objective") if searched else None,
            config=_plain(config),
            config_yaml=OmegaConf.to_yaml(config, resolve=True),
            relevant=relevant(config),
        )


def check_keys(config: DictConfig) -> None:
    """Refuse unknown keys and sizes out of range.

    Raises:
        ConfigError: a key is unknown or out of range; names the key.
    """
    for key in config:
        if key not in JobSchema.__annotations__:
            known = JobSchema.__annotations__
            end = did_you_mean(key, known, f"expected one of {', '.join(known)}")
            raise ConfigError(f"key {key!r} does not exist; {end}.")
    for key in ("batch_size", "n_batches"):
        if config[key] < 1:
            raise ConfigError(f"key {key!r} is {config[key]}; expected at least 1.")
    for key in ("first_batch", "seed"):
        if config[key] < 0:
            raise ConfigError(f"key {key!r} is {config[key]}; expected 0 or more.")
    if config.threads is not None and config.threads < 1:
        raise ConfigError(f"key 'threads' is {config.threads}; expected at least 1, or null.")
    if config.save not in (None, RECONSTRUCTIONS):
        raise ConfigError(f"key 'save' is {config.save!r}; expected {RECONSTRUCTIONS}, or null.")
    check_name(config.threat_model)


def relevant(config: DictConfig) -> dict[str, Any]:
    """Return the resolved keys that a result depends on; they are the same on every machine."""
    placeless = config.copy()
    for key, name in PLACES.items():
        placeless[key] = name
    content = _plain(placeless)
    return {key: value for key, value in content.items() if key not in (*IRRELEVANT, *PLACES)}


def _unknown_to_choice(error: UnknownKey, choices: Mapping[str, str]) -> ConfigError:
    """Return the error itself, or one that names the experiment if that is what sets the key."""
    choice = str(choices.get("experiment"))
    keys = own_keys(choice)
    if error.key not in keys:
        return error
    node = f"{error.path}."
    foreign = [
        key
        for key in keys
        if key.startswith(node) and key.removeprefix(node).split(".")[0] not in error.allowed
    ]
    group = error.path.replace(".", "/")
    values = " and ".join(f"{key}={keys[key]}" for key in foreign)
    removed = " ".join(f"'~{key}'" for key in foreign)
    return ConfigError(
        f"experiment={experiment_name(choice)} sets {values}, but {group}={choices.get(group)} "
        f"takes only {', '.join(error.allowed)}; leave {group} to the experiment, or add {removed} "
        "to the command."
    )


def _maker(config: DictConfig, group: str) -> Callable[..., Any]:
    """Return the factory of a group's object, checked against the signature of its class."""
    check_arguments(config[group], group, RUNTIME.get(group))
    return partial(create, config[group], group)


def _makers(config: DictConfig, group: str) -> dict[str, Callable[[], Any]]:
    """Return the factory of each object that a key maps a name to, each checked."""
    check_each(config[group], group)
    nodes = config[group].items()
    return {str(name): partial(create, node, f"{group}.{name!s}") for name, node in nodes}


def _plain(config: DictConfig) -> dict[str, Any]:
    content: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    return content
