"""Test accuracy that a defense leaves: `python -m benchmarks.defended_accuracy`.

Trains the network of `experiment=enough_noise` (m = 200, L = 6) on CIFAR-10 by SGD on what a client
shares under each defense of the experiments `enough_*` (`SETTINGS`). Batches of 20 are drawn anew
in each epoch. Of the 10,000 images of `test`, 8,000 train and 2,000 test. The learning rate is
0.1, and of clipped gradients also 1. Writes `analysis/records/defended_accuracy.csv`, which the
figure `enough_accuracy` shows; what is in it already is kept. SPEAR_DATA names the folder of the
data sets.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from spear.analysis.records.defended import (
    ACCURACIES,
    CLIPPED,
    COLUMNS,
    NOISE_STD,
    RATES,
    SETTINGS,
    accuracies,
)
from spear.client import Client
from spear.client.defenses import ClippedMean, Defense
from spear.data import CIFAR10
from spear.data.base import Batch
from spear.networks import fcnn

TRAINED, BATCH = 8_000, 20

DEFENSES = Path(__file__).parents[1] / "conf" / "defense"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train once for each setting, learning rate and seed, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=3, help="[%(default)s]")
    parser.add_argument("--seeds", type=int, default=1, help="[%(default)s]")
    parser.add_argument("--rates", type=float, nargs="+", help=f"[{RATES[0]}; clipped: {RATES}]")
    parser.add_argument("--defenses", nargs="+", choices=SETTINGS, default=[*SETTINGS])
    chosen = parser.parse_args(arguments)
    images, labels = _data(Path(os.environ.get("SPEAR_DATA", "data")))
    wanted = [
        (name, value, rate, seed, chosen.epochs)
        for name in chosen.defenses
        for value in SETTINGS[name][1]
        for rate in chosen.rates or RATES[: 1 + (name in CLIPPED)]
        for seed in range(chosen.seeds)
    ]
    table = accuracies()
    there = {*table[COLUMNS[:-1]].itertuples(index=False, name=None)}
    for name, value, rate, seed, epochs in [each for each in wanted if each not in there]:
        found = trained(images, labels, defense(name, value), rate, epochs, seed)
        row = pd.DataFrame([[name, value, rate, seed, epochs, found]], columns=COLUMNS)
        table = pd.concat([table, row], ignore_index=True)
        table.sort_values(COLUMNS[:-1]).to_csv(ACCURACIES, index=False)
        print(*row.iloc[0], flush=True)


def defense(name: str, value: float) -> Defense:
    """Return a defense of `conf/defense/` with its setting of `SETTINGS` at a value."""
    config = OmegaConf.load(DEFENSES / f"{name}.yaml")
    key = SETTINGS[name][0]
    own = {key: value} if key else {}
    own |= {"noise_std": NOISE_STD} if name == "dpsgd" else {}
    made: Defense = instantiate(OmegaConf.merge(config, own))
    return made


def trained(
    images: Tensor, labels: Tensor, defense: Defense, rate: float, epochs: int, seed: int
) -> float:
    """Return the share of test images that a network trained under a defense gets right.

    Args:
        images: normalised (N x 3072); the first `TRAINED` train.
        labels: their classes (N).
        defense: of the gradient of each step.
        rate: learning rate.
        epochs: passes over the training images.
        seed: of the network, the batches and the noise.
    """
    network = fcnn((images.shape[1],), 10, width=200, depth=6, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for rows in torch.randperm(TRAINED, generator=generator).view(-1, BATCH):
            step(network, Batch(images[rows], labels[rows]), defense, rate, generator)
        if not all(each.isfinite().all() for each in network.parameters()):
            break  # the rate is too high
    with torch.no_grad():
        right = network(images[TRAINED:]).argmax(dim=1) == labels[TRAINED:]
    return round(right.double().mean().item(), 4)


def step(
    network: nn.Module, batch: Batch, defense: Defense, rate: float, generator: torch.Generator
) -> None:
    """Take one step of SGD in place, on the gradient that a client under the defense shares."""
    if isinstance(defense, ClippedMean):
        shared = clipped_mean(network, batch, defense, generator)
    else:
        shared = Client(network, defense=defense).share(batch, generator).gradients
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.sub_(rate * shared[name])


def clipped_mean(
    network: nn.Module, batch: Batch, defense: ClippedMean, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return the gradient of `defense`, of a network of linear layers, for all examples at once.

    The gradient of example i in a layer is the outer product of dL/dz_i and (x_i, 1), so that norms
    and clipped sums need no gradient of a single example.
    """
    layers = {name: each for name, each in network.named_modules() if isinstance(each, nn.Linear)}
    entered: list[Tensor] = []
    left: list[Tensor] = []

    def keep(_: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        entered.append(arguments[0].detach())
        left.append(output)

    hooks = [each.register_forward_hook(keep) for each in layers.values()]
    loss = nn.functional.cross_entropy(network(batch.inputs), batch.labels, reduction="sum")
    for each in hooks:
        each.remove()
    slopes = torch.autograd.grad(loss, left)
    squares = [
        s.square().sum(1) * (x.square().sum(1) + 1) for s, x in zip(slopes, entered, strict=True)
    ]
    shares = (defense.max_norm / torch.stack(squares).sum(0).sqrt()).clamp(max=1)
    mean: dict[str, Tensor] = {}
    for name, slope, x in zip(layers, slopes, entered, strict=True):
        clipped = slope * shares[:, None] / len(x)
        mean |= {f"{name}.weight": clipped.T @ x, f"{name}.bias": clipped.sum(0)}
    deviation = defense.deviation(len(batch.labels))
    for value in mean.values() if deviation else ():
        value += deviation * torch.randn(value.shape, generator=generator)
    return mean


def _data(root: Path) -> tuple[Tensor, Tensor]:
    dataset = CIFAR10(root)
    images = torch.stack([dataset.example(index)[0] for index in range(len(dataset))])
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (dataset.mean, dataset.std))
    return ((images - mean) / std).flatten(1), dataset.labels()


if __name__ == "__main__":
    main()
