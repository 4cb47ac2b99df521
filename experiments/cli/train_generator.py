"""`spear train-generator`: train the generator that `attack=gifd` searches."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from spear.attack import Progress as Done
from spear.baselines.gifd.dcgan import DCGAN
from spear.baselines.gifd.training import Fit, Training
from spear.data import Dataset
from spear.errors import ConfigError
from spear.experiments.config.build import build
from spear.experiments.config.moved import accept_old_targets
from spear.experiments.config.schema import CONF, register, train_split
from spear.experiments.job.provenance import provenance
from spear.experiments.record.files import shown


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


def train(config: DictConfig, console: Console) -> tuple[DCGAN, Fit]:
    """Return a generator trained on the train split of `config.dataset`, and how well it fits.

    Raises:
        SpearError: a setting or the data set cannot be used.
    """
    accept_old_targets(config)
    config.dataset = train_split(config.dataset)
    dataset: Dataset = build(config, "dataset")
    if not dataset.is_image:
        raise ConfigError(f"data set {dataset.name!r} has no pictures; choose one that has.")
    generator: DCGAN = build(config, "generator", shape=tuple(dataset.input_shape))
    training: Training = build(config, "training")
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("training")

        def show(state: Done) -> None:
            bar.update(task, completed=state.done, total=state.total, description=state.note)

        return generator, training(generator, dataset, config.seed, show)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="generator")  # type: ignore[untyped-decorator]
def run(config: DictConfig) -> None:
    """Train; write the weights and the settings that they were made with."""
    began, console = time.perf_counter(), Console()
    path = Path(config.weights)
    if path.suffix != ".safetensors":
        raise ConfigError(f"key 'weights' is {str(path)!r}; expected a file NAME.safetensors.")
    torch.set_num_threads(config.threads)
    generator, fit = train(config, console)
    seconds = time.perf_counter() - began
    made = provenance()
    generator.save(
        path,
        {
            "command": " ".join(["spear train-generator", *sys.argv[1:]]),
            "git_sha": str(made["git_sha"]),
            "torch": made["versions"]["torch"],
            "psnr": f"{fit.psnr:.2f} dB on the pictures trained on",
        },
    )
    console.print(
        f"{shown(path.resolve())}: PSNR {fit.psnr:.2f} dB on the pictures trained on, "
        f"KL {fit.divergence:.1f} nats, {seconds:.0f} s",
        highlight=False,
    )


def main(arguments: list[str]) -> None:
    """Train and write a generator.

    Raises:
        SpearError: a setting cannot be used.
        HydraException: an override cannot be parsed or applied.
    """
    sys.argv[1:] = arguments
    run()
