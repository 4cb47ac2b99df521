"""Differentially private gradients (DP-SGD), and what implementations understand by sigma."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from spear.client.defenses.base import NoDefense
from spear.client.defenses.clipping import check_norm, clipped
from spear.client.defenses.noise import check_deviation, noised
from spear.data.base import Batch
from spear.errors import ConfigError


class ClippedMean(ABC):
    """Differentially private gradients: clipped example by example, averaged, noised (App. E.6).

    The gradient of each example's own loss, over all parameters of the network together, is
    shortened to L2 norm C where it is longer; every entry of the mean over the batch gets Gaussian
    noise. What its deviation is a multiple of is what implementations differ in.

    Without noise the update is that of examples with other weights: clipping multiplies column i
    of dL/dZ by the factor of example i in every layer, and leaves the inputs recoverable.

    Args:
        max_norm: C; infinity for no clipping.

    Raises:
        ConfigError: C is not above 0.
    """

    def __init__(self, max_norm: float) -> None:
        check_norm(max_norm)
        self.max_norm = max_norm

    @abstractmethod
    def deviation(self, b: int) -> float:
        """Standard deviation of the noise in an entry of the mean over a batch of b."""

    def gradient(
        self,
        network: nn.Module,
        loss: nn.Module,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Mean of the clipped gradients of batches of one, plus noise drawn from `generator`.

        One example after the other: any network goes, and memory holds two gradients, not b.
        """
        b = len(batch.labels)
        total: dict[str, Tensor] = {}
        for i in range(b):
            one = Batch(batch.inputs[i : i + 1], batch.labels[i : i + 1])
            short = clipped(NoDefense().gradient(network, loss, one, generator), self.max_norm)
            for name, value in short.items():
                total[name] = total[name].add_(value) if name in total else value
        deviation = self.deviation(b)
        return {name: noised(value / b, deviation, generator) for name, value in total.items()}


class DPSGD(ClippedMean):
    """Noise of standard deviation sigma in every entry of the mean: on the scale of a gradient.

    Args:
        max_norm: C; infinity for no clipping.
        noise_std: sigma.

    Raises:
        ConfigError: C is not above 0, or sigma is below 0 or infinite.
    """

    def __init__(self, max_norm: float, noise_std: float) -> None:
        super().__init__(max_norm)
        check_deviation(noise_std)
        self.noise_std = noise_std

    def deviation(self, b: int) -> float:
        """Sigma."""
        return self.noise_std


class NoiseMultiplier(ClippedMean):
    """Noise of standard deviation sigma C on the *sum* of the clipped gradients.

    So Opacus defines its noise multiplier sigma (`DPOptimizer`), and TensorFlow Privacy; the sum is
    then divided by b.

    Args:
        max_norm: C; finite, for the noise is a multiple of it.
        noise_multiplier: sigma.

    Raises:
        ConfigError: C is not above 0 or infinite, or sigma is below 0 or infinite.
    """

    def __init__(self, max_norm: float, noise_multiplier: float) -> None:
        super().__init__(max_norm)
        if max_norm == math.inf:
            raise ConfigError(
                "max_norm is inf; expected a finite norm, for the noise is a multiple of "
                "it (DPSGD has noise without clipping)."
            )
        if not 0 <= noise_multiplier < math.inf:
            raise ConfigError(
                f"noise_multiplier is {noise_multiplier}; expected a number of 0 or more."
            )
        self.noise_multiplier = noise_multiplier

    def deviation(self, b: int) -> float:
        """Sigma C / b."""
        return self.noise_multiplier * self.max_norm / b


class NoiseOnEachExample(NoiseMultiplier):
    """Noise of standard deviation sigma C on *each* clipped gradient before they are averaged.

    Of all scales of sigma this one comes nearest to the paper's Table 9 when one looseness of the
    zero test is to hold for the whole table (`benchmarks.dpsgd_conventions`). Arguments and errors:
    as for `NoiseMultiplier`.
    """

    def deviation(self, b: int) -> float:
        """Sigma C / sqrt(b)."""
        return self.noise_multiplier * self.max_norm / b**0.5
