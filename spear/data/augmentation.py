"""Augmentation of a client's examples before it trains on them: soft labels, mixed inputs."""

from typing import Protocol

import torch
from scipy.special import betaincinv
from torch import Tensor
from torch.nn.functional import one_hot

from spear.data.base import Batch
from spear.errors import ConfigError


class Augmentation(Protocol):
    """Interface of an augmentation, which turns drawn examples into the batch that is trained on.

    A new one is a class with these members, and one file in `conf/augmentation/`.
    """

    def examples(self, size: int) -> int:
        """Return the number of examples to draw for a batch of `size` inputs."""
        ...

    def __call__(self, batch: Batch, n_classes: int, generator: torch.Generator) -> Batch:
        """Return the batch that the network is trained on.

        Args:
            batch: the drawn examples, as many as `examples` returns.
            n_classes: number of classes K.
            generator: source of all randomness, on the CPU.
        """
        ...


class NoAugmentation:
    """No augmentation: the batch consists of the examples as they were drawn."""

    def examples(self, size: int) -> int:
        """Return `size`: one example for each input."""
        return size

    def __call__(self, batch: Batch, n_classes: int, generator: torch.Generator) -> Batch:
        """Return the same batch."""
        return batch


class LabelSmoothing:
    """Label smoothing: (1 - alpha) e_c + alpha / K instead of e_c (Szegedy et al., CVPR 2016).

    Alpha is drawn for each example, uniformly between two bounds; equal bounds fix it. The bounds
    0 and 0.5 are those of the experiments of arXiv 2402.03124.

    Args:
        least, most: bounds of alpha, in [0, 1].

    Raises:
        ConfigError: not 0 <= least <= most <= 1.
    """

    def __init__(self, least: float = 0.0, most: float = 0.5) -> None:
        if not 0 <= least <= most <= 1:
            raise ConfigError(
                f"least is {least} and most {most}; expected 0 <= least <= most <= 1."
            )
        self.least = least
        self.most = most

    def examples(self, size: int) -> int:
        """Return `size`: one example for each input."""
        return size

    def __call__(self, batch: Batch, n_classes: int, generator: torch.Generator) -> Batch:
        """Return the same inputs with smoothed labels (b x K).

        Raises:
            ConfigError: the inputs are tokens.
        """
        _check_numbers(batch)
        uniform = torch.rand(len(batch.labels), 1, generator=generator)
        alpha = (self.least + (self.most - self.least) * uniform).to(batch.inputs)
        hard = class_probabilities(batch.labels, n_classes).to(batch.inputs)
        return Batch(batch.inputs, (1 - alpha) * hard + alpha / n_classes)


class Mixup:
    """Mixtures of two examples: their inputs and their labels are mixed in the same weights.

    Zhang et al., "mixup: beyond empirical risk minimization" (ICLR 2018). For each input, the
    weight of the first example is drawn from Beta(concentration, concentration). The two are always
    different examples, so that b inputs take 2 b of them.

    Args:
        concentration: of the Beta distribution, above 0; 1 for uniform weights, as in arXiv
            2402.03124.

    Raises:
        ConfigError: concentration is not above 0, or infinite.
    """

    def __init__(self, concentration: float = 1.0) -> None:
        if not 0 < concentration < float("inf"):
            raise ConfigError(
                f"concentration is {concentration}; expected a finite number above 0."
            )
        self.concentration = concentration

    def examples(self, size: int) -> int:
        """Return twice the number of inputs."""
        return 2 * size

    def __call__(self, batch: Batch, n_classes: int, generator: torch.Generator) -> Batch:
        """Return b inputs from 2 b examples: number i of each half are mixed with each other.

        Raises:
            ConfigError: the inputs are tokens.
        """
        _check_numbers(batch)
        b = len(batch.labels) // 2
        uniform = torch.rand(b, generator=generator, dtype=torch.float64)
        drawn = betaincinv(self.concentration, self.concentration, uniform.numpy())
        weights = torch.from_numpy(drawn).to(batch.inputs)
        hard = class_probabilities(batch.labels, n_classes).to(batch.inputs)
        return Batch(_mixed(batch.inputs, weights), _mixed(hard, weights))


def class_probabilities(labels: Tensor, n_classes: int) -> Tensor:
    """Return labels as class probabilities (b x K): class indices as one-hot rows, in float64."""
    return labels if labels.is_floating_point() else one_hot(labels, n_classes).double()


def _check_numbers(batch: Batch) -> None:
    if not batch.inputs.is_floating_point():
        raise ConfigError(
            "augmentation is made for inputs that are numbers, but the data set has tokens; choose "
            "augmentation=none."
        )


def _mixed(rows: Tensor, weights: Tensor) -> Tensor:
    first, second = rows.chunk(2)
    weights = weights.reshape(-1, *[1] * (rows.ndim - 1))
    return weights * first + (1 - weights) * second
