"""Test accuracy that a defense leaves: `python -m benchmarks.defended_accuracy`.

Trains the network of `experiment=enough_noise` (m = 200, L = 6) by DP-SGD on CIFAR-10: each
example's gradient clipped to C = 1 over all layers, noise of the multiplier times C on their sum,
then the mean, as `defense=dpsgd_opacus`. Batches of 20 are drawn anew in each epoch. Of the 10,000
images of `test`, 8,000 train and 2,000 test. Writes `analysis/records/defended_accuracy.csv`, which
the figure `enough_accuracy` shows; what is in it already is kept. SPEAR_DATA names the folder of
the data sets.
"""

import argparse
import os
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from spear.analysis.records.defended import ACCURACIES, COLUMNS, MULTIPLIERS, accuracies
from spear.data import CIFAR10
from spear.networks import fcnn

TRAINED, BATCH, CLIP, RATE = 8_000, 20, 1.0, 0.1


def main(arguments: Sequence[str] | None = None) -> None:
    """Train once for each multiplier and seed, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=3, help="[%(default)s]")
    parser.add_argument("--seeds", type=int, default=1, help="[%(default)s]")
    chosen = parser.parse_args(arguments)
    images, labels = _data(Path(os.environ.get("SPEAR_DATA", "data")))
    rows = accuracies().to_numpy().tolist() if ACCURACIES.exists() else []
    there = {tuple(row[:3]) for row in rows}
    for multiplier, seed in product(MULTIPLIERS, range(chosen.seeds)):
        if (multiplier, seed, chosen.epochs) not in there:
            found = trained(images, labels, multiplier, chosen.epochs, seed)
            rows.append([multiplier, seed, chosen.epochs, found])
            table = pd.DataFrame(rows, columns=COLUMNS).astype({"seed": int, "epochs": int})
            table.sort_values(COLUMNS[:3]).to_csv(ACCURACIES, index=False)
            print(*rows[-1], flush=True)


def trained(images: Tensor, labels: Tensor, multiplier: float, epochs: int, seed: int) -> float:
    """Return the share of test images that a network trained by DP-SGD gets right.

    Args:
        images: normalised (N x 3072); the first `TRAINED` train.
        labels: their classes (N).
        multiplier: deviation of the noise on the sum of the clipped gradients, divided by C.
        epochs: passes over the training images.
        seed: of the network, the batches and the noise.
    """
    network = fcnn((images.shape[1],), 10, width=200, depth=6, seed=seed)
    layers = [each for each in network.modules() if isinstance(each, nn.Linear)]
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for batch in torch.randperm(TRAINED, generator=generator).view(-1, BATCH):
            step(network, layers, images[batch], labels[batch], multiplier, generator)
    with torch.no_grad():
        right = network(images[TRAINED:]).argmax(dim=1) == labels[TRAINED:]
    return round(right.double().mean().item(), 4)


def step(
    network: nn.Module,
    layers: list[nn.Linear],
    inputs: Tensor,
    labels: Tensor,
    multiplier: float,
    generator: torch.Generator,
) -> None:
    """Take one step of DP-SGD in place.

    The gradient of example i in a layer is the outer product of dL/dz_i and (x_i, 1), so that norms
    and clipped sums need no gradient of a single example.
    """
    entered: list[Tensor] = []
    left: list[Tensor] = []

    def keep(_: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        entered.append(arguments[0].detach())
        left.append(output)

    hooks = [each.register_forward_hook(keep) for each in layers]
    loss = nn.functional.cross_entropy(network(inputs), labels, reduction="sum")
    for each in hooks:
        each.remove()
    slopes = torch.autograd.grad(loss, left)
    squares = [
        s.square().sum(1) * (x.square().sum(1) + 1) for s, x in zip(slopes, entered, strict=True)
    ]
    shares = (CLIP / torch.stack(squares).sum(0).sqrt()).clamp(max=1)
    with torch.no_grad():
        for layer, slope, x in zip(layers, slopes, entered, strict=True):
            clipped = slope * shares[:, None]
            for parameter, total in ((layer.weight, clipped.T @ x), (layer.bias, clipped.sum(0))):
                noise = torch.randn(total.shape, generator=generator) if multiplier else 0.0
                parameter -= RATE / len(x) * (total + multiplier * CLIP * noise)


def _data(root: Path) -> tuple[Tensor, Tensor]:
    dataset = CIFAR10(root)
    images = torch.stack([dataset.example(index)[0] for index in range(len(dataset))])
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (dataset.mean, dataset.std))
    return ((images - mean) / std).flatten(1), dataset.labels()


if __name__ == "__main__":
    main()
