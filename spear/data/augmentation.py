"""What a client makes of its examples before it trains on them: soft labels, mixed inputs."""

from typing import Protocol

import torch
from scipy.special import betaincinv
from torch import Tensor
from torch.nn.functional import one_hot

from spear.data.base import Batch
from spear.errors import ConfigError


class Augmentation(Protocol):
    """Turns drawn examples into the batch whose gradient is shared.

    A new one is a class with these members, and one file in `conf/augmentation/`.
    """

    def examples(self, size: int) -> int:
        """How many examples are drawn for a batch of `size` inputs."""
        ...

    def __call__(self, batch: Batch, n_classes: int, generator: torch.Generator) -> Batch:
        """The batch that the network is trained on, by `generator` alone.

        Args:
            batch: as many examples as `examples` says.
            n_classes: K.
            generator: of the CPU.
        """
        ...


class NoAugmentation:
    """The examples as they were drawn."""

    def examples(self, size: int) -> int:
        """One for each input."""
        return size

    def __call__(self, batch: Batch, n_classes: int, generator: torch.Generator) -> Batch:
        """The same batch."""
        return batch


class LabelSmoothing:
    """The label (1 - alpha) e_c + alpha / K instead of e_c (Szegedy et al., CVPR 2016).

    Alpha is drawn for each example, uniformly between two bounds; equal bounds fix it. The bounds
    0 and 0.5 are those of the experiments of arXiv 2402.03124.

    Args:
        least, most: bounds of alpha.

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
        """One for each input."""
        return size

    def __call__(self, batch: Batch, n_classes: int, generator: torch.Generator) -> Batch:
        """The same inputs with smoothed labels (b x K)."""
        uniform = torch.rand(len(batch.labels), 1, generator=generator)
        alpha = (self.least + (self.most - self.least) * uniform).to(batch.inputs)
        hard = class_probabilities(batch.labels, n_classes).to(batch.inputs)
        return Batch(batch.inputs, (1 - alpha) * hard + alpha / n_classes)


class Mixup:
    """Each input is a mixture of two examples, its label that of their labels in the same weights.

    Zhang et al., "mixup: beyond empirical risk minimization" (ICLR 2018); the weight of the first
    is drawn from Beta(concentration, concentration) for each input. The two are different examples
    also in a batch of one, so that b inputs take 2 b examples.

    Args:
        concentration: of the Beta distribution; 1 for uniform weights, as in arXiv 2402.03124.

    Raises:
        ConfigError: concentration is not above 0.
    """

    def __init__(self, concentration: float = 1.0) -> None:
        if not 0 < concentration < float("inf"):
            raise ConfigError(f"concentration is {concentration}; expected a number above 0.")
        self.concentration = concentration

    def examples(self, size: int) -> int:
        """Two for each input."""
        return 2 * size

    def __call__(self, batch: Batch, n_classes: int, generator: torch.Generator) -> Batch:
        """Example i of the first half mixed with example i of the second (b of 2 b)."""
        b = len(batch.labels) // 2
        uniform = torch.rand(b, generator=generator, dtype=torch.float64)
        drawn = betaincinv(self.concentration, self.concentration, uniform.numpy())
        weights = torch.from_numpy(drawn).to(batch.inputs)
        hard = class_probabilities(batch.labels, n_classes).to(batch.inputs)
        return Batch(_mixed(batch.inputs, weights), _mixed(hard, weights))


def class_probabilities(labels: Tensor, n_classes: int) -> Tensor:
    """Labels as class probabilities (b x K): float64 and one-hot where they are class indices."""
    return labels if labels.is_floating_point() else one_hot(labels, n_classes).double()


def _mixed(rows: Tensor, weights: Tensor) -> Tensor:
    first, second = rows.chunk(2)
    weights = weights.reshape(-1, *[1] * (rows.ndim - 1))
    return weights * first + (1 - weights) * second
