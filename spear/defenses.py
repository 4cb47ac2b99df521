"""Defenses: how a client computes the gradient that it is willing to share."""

import math
from typing import Protocol

import torch
from torch import Tensor, nn

from spear.datasets.base import Batch
from spear.errors import ConfigError


class Defense(Protocol):
    """Computes a gradient of the loss on a batch, disguised or not.

    A new defense implements `gradient` and gets one file in `conf/defense/`.
    """

    def gradient(
        self,
        network: nn.Module,
        loss: nn.Module,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Name of each parameter that is trained -> gradient; leaves `network` as it was."""
        ...


class NoDefense:
    """The plain gradient of the loss, as every undefended client sends it."""

    def gradient(
        self,
        network: nn.Module,
        loss: nn.Module,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """dL/dtheta for every parameter that is trained, in the network's own precision."""
        parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
        value = loss(network(batch.inputs), batch.labels)
        gradients = torch.autograd.grad(value, list(parameters.values()))
        return dict(zip(parameters, gradients, strict=True))


class DPSGD:
    """Differentially private gradients: clipped example by example, averaged, noised (App. E.6).

    The gradient of each example's own loss, over all parameters of the network together, is
    shortened to L2 norm C where it is longer; to every entry of the mean over the batch, Gaussian
    noise of standard deviation sigma is added. Sigma is thus on the scale of an entry of the shared
    gradient, as in Table 9; DP-SGD's noise multiplier (Abadi et al., 2016) is sigma b / C.

    Without noise the update is that of examples with other weights: clipping multiplies column i
    of dL/dZ by the factor of example i in every layer, and leaves the inputs recoverable.

    Args:
        max_norm: C; infinity for no clipping.
        noise_std: sigma.

    Raises:
        ConfigError: C is not above 0, or sigma is below 0 or infinite.
    """

    def __init__(self, max_norm: float, noise_std: float) -> None:
        if not max_norm > 0:
            raise ConfigError(
                f"defense.max_norm is {max_norm}; expected a norm above 0, or .inf for no clipping."
            )
        if not 0 <= noise_std < math.inf:
            raise ConfigError(
                f"defense.noise_std is {noise_std}; expected a standard deviation of 0 or more."
            )
        self.max_norm = max_norm
        self.noise_std = noise_std

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
            clipped = self._clipped(NoDefense().gradient(network, loss, one, generator))
            for name, value in clipped.items():
                total[name] = total[name].add_(value) if name in total else value
        return {name: self._noised(value / b, generator) for name, value in total.items()}

    def _clipped(self, gradient: dict[str, Tensor]) -> dict[str, Tensor]:
        norm = nn.utils.get_total_norm(list(gradient.values()))
        factor = (self.max_norm / norm).clamp(max=1.0)
        return {name: value * factor for name, value in gradient.items()}

    def _noised(self, mean: Tensor, generator: torch.Generator | None) -> Tensor:
        if self.noise_std == 0:
            return mean
        # Drawn on the CPU, where the generator is: the same noise on every device.
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
        return mean + self.noise_std * noise.to(mean.device)
