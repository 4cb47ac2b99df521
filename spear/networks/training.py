"""Networks that are trained before the attacked client starts from them (App. E.4)."""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from math import prod

import torch
from torch import Tensor, nn

from spear.data.base import Batch, Dataset
from spear.errors import ConfigError
from spear.networks.dlg_lenet import lenet
from spear.networks.fully_connected import fcnn
from spear.seeding import Stream, batch_generator

log = logging.getLogger(__name__)

MOST_VALUES = 1 << 28
"""Most pixels (or features) held in memory while training, in float32: all of MNIST and CIFAR-10,
21,845 images of Tiny ImageNet. A larger data set is represented by a random part."""

SECONDS_BETWEEN_NEWS = 10.0


def trained_fcnn(
    input_shape: Sequence[int],
    n_classes: int,
    dataset: Dataset,
    width: int = 200,
    depth: int = 6,
    seed: int = 0,
    steps: int = 5000,
    learning_rate: float = 0.01,
    train_batch_size: int = 64,
    bias: bool = True,
    activation: str | nn.Module = "relu",
) -> nn.Sequential:
    """Return an `fcnn` after some steps of plain SGD on the mean cross-entropy (`train`).

    The paper attacks networks during training on MNIST (Fig. 7) and after 5,000 steps (Sec. 6.2)
    but does not say how they were trained; learning rate and batch size are ours. They matter: an
    example that the network has learnt well has a small gradient, which float32 loses behind those
    of the others. At `steps` = 0 the network is that of `fcnn` with the same seed.

    Args:
        input_shape: shape of one example.
        n_classes: outputs of the last layer.
        dataset: see `train`.
        width: neurons of every hidden layer (m).
        depth: number of linear layers (L).
        seed: of the initialisation and of the order of the examples.
        steps, learning_rate, train_batch_size: see `train`.
        bias: whether the linear layers have biases.
        activation: see `fcnn`.

    Raises:
        ConfigError: see `fcnn` and `train`.
    """
    network = fcnn(input_shape, n_classes, width, depth, seed, activation=activation, bias=bias)
    train(network, input_shape, n_classes, dataset, seed, steps, learning_rate, train_batch_size)
    return network


def trained_lenet(
    input_shape: Sequence[int],
    n_classes: int,
    dataset: Dataset,
    activation: str | nn.Module = "relu",
    half_width: float | None = None,
    bias: bool = True,
    seed: int = 0,
    steps: int = 1000,
    learning_rate: float = 0.1,
    train_batch_size: int = 32,
) -> nn.Sequential:
    """Return a `lenet` after some steps of plain SGD on the mean cross-entropy (`train`).

    Args:
        input_shape: C x H x W.
        n_classes: outputs of the last layer.
        dataset: see `train`.
        activation, half_width, bias: see `spear.networks.lenet`.
        seed: of the initialisation and of the order of the examples.
        steps, learning_rate, train_batch_size: see `train`.

    Raises:
        ConfigError: see `lenet` and `train`.
    """
    network = lenet(input_shape, n_classes, activation, half_width, bias, seed)
    train(network, input_shape, n_classes, dataset, seed, steps, learning_rate, train_batch_size)
    return network


def train(
    network: nn.Module,
    input_shape: Sequence[int],
    n_classes: int,
    dataset: Dataset,
    seed: int,
    steps: int,
    learning_rate: float,
    train_batch_size: int,
    kind: type[torch.optim.SGD] | type[torch.optim.AdamW] = torch.optim.SGD,
) -> None:
    """Train a network in place, on the CPU, so that it is the same on every device.

    Args:
        network: maps b x input_shape to logits (b x n_classes).
        input_shape: shape of one example.
        n_classes: number of classes K.
        dataset: the examples to learn from, drawn without replacement in every epoch.
        seed: of the order of the examples.
        steps: number of steps, 0 or more.
        learning_rate: above 0, constant.
        train_batch_size: examples per step, at least 1.
        kind: of the optimiser, with its other settings as in PyTorch; plain SGD, without momentum
            or weight decay, unless given.

    Raises:
        ConfigError: a setting is out of range, the data set does not fit the network or is smaller
            than a batch, or the loss became infinite at this learning rate.
    """
    _check_settings(steps, learning_rate, train_batch_size)
    _check_fit(dataset, input_shape, n_classes, train_batch_size)
    if steps == 0:
        return
    generator = batch_generator(seed, 0, Stream.TRAINING)
    examples = dataset.batch(min(len(dataset), MOST_VALUES // prod(input_shape)), generator)
    mean_loss = nn.CrossEntropyLoss()
    optimizer = kind(network.parameters(), lr=learning_rate)
    news = _News(steps, f"{len(examples.labels)} examples of {dataset.name}")
    batches = _endless(examples, train_batch_size, generator)
    for step in range(1, steps + 1):
        batch = next(batches)
        loss = mean_loss(network(batch.inputs), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if not torch.isfinite(loss):
            raise ConfigError(
                f"learning_rate is {learning_rate}, at which the loss became "
                f"{loss.item()} in training step {step}; choose a smaller one."
            )
        news.step(step, loss)
    optimizer.zero_grad()


def _check_settings(steps: int, learning_rate: float, train_batch_size: int) -> None:
    if steps < 0:
        raise ConfigError(f"steps is {steps}; expected 0 or more.")
    if not 0 < learning_rate < math.inf:
        raise ConfigError(f"learning_rate is {learning_rate}; expected more than 0.")
    if train_batch_size < 1:
        raise ConfigError(f"train_batch_size is {train_batch_size}; expected at least 1.")


def _check_fit(
    dataset: Dataset, input_shape: Sequence[int], n_classes: int, train_batch_size: int
) -> None:
    if (tuple(dataset.input_shape), dataset.n_classes) != (tuple(input_shape), n_classes):
        raise ConfigError(
            f"dataset ({dataset.name}) has {dataset.n_classes} classes and inputs of shape "
            f"{tuple(dataset.input_shape)}, but the attacked network has {n_classes} classes and "
            f"inputs of shape {tuple(input_shape)}; train it on the data set that is attacked."
        )
    if train_batch_size > len(dataset):
        raise ConfigError(
            f"train_batch_size is {train_batch_size}, but there are only {len(dataset)} "
            f"examples of {dataset.name} to train on; choose at most as many."
        )


def _endless(examples: Batch, size: int, generator: torch.Generator) -> Iterator[Batch]:
    """Batches of `size`, each example once an epoch; what does not fill a batch is left out."""
    n = len(examples.labels)
    while True:
        order = torch.randperm(n, generator=generator)
        for start in range(0, n - size + 1, size):
            chosen = order[start : start + size]
            yield Batch(examples.inputs[chosen], examples.labels[chosen])


class _News:
    """Tells how far a training is, from time to time and at its end."""

    def __init__(self, steps: int, examples: str) -> None:
        self._steps = steps
        self._examples = examples
        self._told = time.monotonic()

    def step(self, step: int, loss: Tensor) -> None:
        now = time.monotonic()
        if step == self._steps or now - self._told >= SECONDS_BETWEEN_NEWS:
            self._told = now
            log.info(
                "training on %s: step %d of %d, loss %.3g",
                self._examples, step, self._steps, loss.item(),
            )  # fmt: skip
