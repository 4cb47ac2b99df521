"""Typed root of the configuration, and its resolvers."""

import hashlib
import re
import textwrap
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

import spear
from spear.errors import ConfigError
from spear.experiments.config.experiments import ROOMS, experiment_name, experiments
from spear.experiments.config.moved import renamed

CONF = (Path(spear.__file__).parent / "conf").resolve()
LONGEST_NAME = 120
PLAIN = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")


@dataclass
class JobSchema:
    """Keys of one job. The groups are typed by the signatures of their targets (`build`)."""

    batch_size: int = MISSING
    n_batches: int = MISSING
    first_batch: int = MISSING
    seed: int = MISSING
    device: str = MISSING
    threads: int | None = MISSING
    lpips_net: str = MISSING
    data_root: str = MISSING
    output_root: str = MISSING
    name: str | None = MISSING
    save: str | None = MISSING
    threat_model: str | None = MISSING
    force: bool = MISSING
    dataset: Any = MISSING
    drawing: Any = MISSING
    augmentation: Any = MISSING
    network: Any = MISSING
    defense: Any = MISSING
    fedavg: Any = MISSING
    aggregation: Any = MISSING
    risk: Any = MISSING
    attack: Any = MISSING
    tracking: Any = MISSING
    metrics: Any = MISSING
    objective: Any = None


def run_name(overrides: str) -> str:
    """Return a job's folder name: its overrides, made safe and short for any file system.

    Old and new names of a class lead to the same folder.
    """
    name = renamed(overrides).replace("/", ".").replace(" ", "") or "defaults"
    if len(name) > LONGEST_NAME:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        name = f"{name[:LONGEST_NAME]}~{digest}"
    return name


def folder_name(choice: str | None, name: str | None) -> str:
    """Return the folder of run folders: the experiment, below the sweep's name if it has one.

    Args:
        choice: experiment's file as Hydra names it; None without one.
        name: value of the key `name`; None without one.

    Raises:
        ConfigError: the name is no plain name of a folder.
    """
    experiment = experiment_name(choice)
    if name in (None, "null"):
        return experiment
    check_name(str(name))
    return f"{name}/{experiment}" if choice not in (None, "null") else str(name)


def check_name(name: str) -> None:
    """Refuse a name of a sweep that is no plain name of a folder.

    Raises:
        ConfigError: it has other characters, or begins with one that is neither letter nor digit.
    """
    if not PLAIN.fullmatch(name):
        raise ConfigError(
            f"name is {name!r}; expected letters, digits, '-', '_' and '.', beginning with a "
            "letter or digit."
        )


def times(a: int, b: int) -> int:
    """Return a product, for keys such as `${spear.times:10,${batch_size}}`."""
    return a * b


def joint_size(batch_size: int, aggregation: DictConfig) -> int:
    """Return the number of inputs of a round: the batches of all clients that take part.

    Args:
        batch_size: of one client.
        aggregation: the node of the key of this name.
    """
    from spear.client.mean import taking_part  # imports torch, which the help does without

    examples = aggregation.get("examples")
    if examples is not None:
        return int(sum(examples))
    clients, share = aggregation.get("clients", 1), aggregation.get("participation", 1.0)
    return batch_size * taking_part(clients, share)


def train_split(dataset: DictConfig) -> DictConfig:
    """Return a data set's node with the train split chosen; unchanged if it has no splits."""
    chosen = dataset.copy()
    if "split" in chosen:
        chosen.split = "train"
    return chosen


def choices() -> str:
    """Return the groups of `conf/` (without experiments) and their files, as text for the help."""
    paragraphs = []
    for folder in sorted(path for path in CONF.rglob("*") if any(path.glob("*.yaml"))):
        group = folder.relative_to(CONF).as_posix()
        if not group.startswith("experiment"):
            paragraphs.append(_wrapped(group, sorted(path.stem for path in folder.glob("*.yaml"))))
    return "\n".join(paragraphs)


def experiment_choices() -> str:
    """Return the experiments of each room, as text for the help."""
    found = experiments().values()
    return "\n".join(
        _wrapped(about, [each.name for each in found if each.room == room])
        for room, about in ROOMS.items()
    )


def _wrapped(heading: str, names: list[str]) -> str:
    return textwrap.fill(f"{heading}: {', '.join(names)}", 96, subsequent_indent="  ")


def register() -> None:
    """Register the schema and the resolvers with Hydra; call it before composing."""
    # A launcher's file is checked against the schema that its plugin has under the same name.
    warnings.filterwarnings("ignore", r"\s*'hydra/launcher/\w+' is validated against ConfigStore")
    ConfigStore.instance().store(name="job_schema", node=JobSchema)
    OmegaConf.register_new_resolver("spear.experiment", experiment_name, replace=True)
    OmegaConf.register_new_resolver("spear.folder", folder_name, replace=True)
    OmegaConf.register_new_resolver("spear.train_split", train_split, replace=True)
    OmegaConf.register_new_resolver("spear.run_name", run_name, replace=True)
    OmegaConf.register_new_resolver("spear.choices", choices, replace=True)
    OmegaConf.register_new_resolver("spear.experiments", experiment_choices, replace=True)
    OmegaConf.register_new_resolver("spear.times", times, replace=True)
    OmegaConf.register_new_resolver("spear.joint_size", joint_size, replace=True)
