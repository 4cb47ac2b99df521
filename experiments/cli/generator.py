"""Training of the generator that `attack=gifd` searches."""

import sys
import time
from pathlib import Path

import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from spear.attack import Progress as Done
from spear.baselines.generative.dcgan import DCGAN
from spear.baselines.generative.training import Fit, Training
from spear.data import Dataset
from spear.errors import ConfigError
from spear.experiments.config.build import build
from spear.experiments.config.moved import accept_old_targets
from spear.experiments.config.schema import train_split
from spear.experiments.job.provenance import provenance
from spear.experiments.record.files import shown


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
