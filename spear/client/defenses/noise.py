"""Gaussian noise on a gradient."""

import math

import torch
from torch import Tensor, nn

from spear.client.defenses.base import NoDefense
from spear.data.base import Batch
from spear.errors import ConfigError


def noised(value: Tensor, deviation: float, generator: torch.Generator | None) -> Tensor:
    """Return a tensor plus independent Gaussian noise in every entry.

    Args:
        value: the tensor.
        deviation: standard deviation of the noise, 0 or more.
        generator: source of the noise, on the CPU; the global one if None.
    """
    if deviation == 0:
        return value
    # Drawn on the CPU, where the generator is: the same noise on every device.
    noise = torch.randn(value.shape, generator=generator, dtype=value.dtype)
    return value + deviation * noise.to(value.device)


def check_deviation(noise_std: float) -> None:
    """Refuse a standard deviation out of range.

    Raises:
        ConfigError: it is below 0 or infinite.
    """
    if not 0 <= noise_std < math.inf:
        raise ConfigError(
            f"noise_std is {noise_std}; expected a finite standard deviation of 0 or more."
        )


class GaussianNoise(NoDefense):
    """Gaussian noise in every entry of the batch's gradient, which is not clipped.

    Args:
        noise_std: standard deviation of the noise, 0 or more, on the scale of a gradient entry.

    Raises:
        ConfigError: noise_std is below 0 or infinite.
    """

    def __init__(self, noise_std: float) -> None:
        check_deviation(noise_std)
        self.noise_std = noise_std

    def gradient(
        self,
        network: nn.Module,
        loss: nn.Module,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Implement `Defense`; the noise is drawn from `generator`."""
        plain = super().gradient(network, loss, batch, generator)
        return {name: noised(value, self.noise_std, generator) for name, value in plain.items()}
