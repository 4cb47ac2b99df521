"""Gradients in mixed precision: 16 bits for products, 32 for weights."""

import torch
from torch import Tensor, nn

from spear.data.base import Batch
from spear.errors import ConfigError

LEAST_SCALE = 1.0
"""Least scale of the loss: a gradient that still overflows there is shared as it is."""


class MixedPrecision:
    """Gradient by automatic mixed precision, `torch.autocast`, as clients train on accelerators.

    Inputs of each layer, its weights and dL/dZ are rounded to 16 bits, and so is each entry of
    their product dL/dW. The rounded factors still have the batch's rank, so that what an attack
    recovers is the rounded batch. Rounding of the product acts as noise: an entry g has an error of
    ulp(g) / sqrt(12) in root mean square, with ulp the distance of neighbouring numbers.

    float16 has no numbers below 6e-8, for which the loss is scaled up and the gradient down again,
    as `torch.amp.GradScaler` does in its first steps: the scale is halved until nothing overflows.

    Args:
        precision: "bfloat16" or "float16".
        scale: of the loss at first, from 1 to 2^32. In bfloat16 it matters only for entries that
            round to zero.

    Raises:
        ConfigError: an argument is out of range.
    """

    def __init__(self, precision: str, scale: float = 1.0) -> None:
        if precision not in ("bfloat16", "float16"):
            raise ConfigError(f"precision is {precision!r}; expected 'bfloat16' or 'float16'.")
        if not LEAST_SCALE <= scale <= 2.0**32:
            raise ConfigError(f"scale is {scale}; expected a number from 1 to 2^32.")
        self.dtype = torch.bfloat16 if precision == "bfloat16" else torch.float16
        self.scale = scale

    def gradient(
        self,
        network: nn.Module,
        loss: nn.Module,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Implement `Defense`; gradients are in the precision of the parameters."""
        scale = self.scale
        while True:
            found = self._scaled(network, loss, batch, scale)
            finite = all(bool(each.isfinite().all()) for each in found.values())
            if finite or scale <= LEAST_SCALE:
                return found
            scale = max(scale / 2, LEAST_SCALE)

    def _scaled(
        self, network: nn.Module, loss: nn.Module, batch: Batch, scale: float
    ) -> dict[str, Tensor]:
        parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
        with torch.autocast(batch.inputs.device.type, self.dtype):
            value = scale * loss(network(batch.inputs), batch.labels)
        gradients = torch.autograd.grad(value, list(parameters.values()))
        return {name: each / scale for name, each in zip(parameters, gradients, strict=True)}

    def deviation(self, value: Tensor) -> Tensor:
        """Return ulp(g) / sqrt(12) of each entry g of a gradient; 0 of those that are 0."""
        exponent = torch.frexp(value).exponent - 1
        least = torch.tensor(torch.finfo(self.dtype).tiny / self.scale).to(value)
        exponent = exponent.maximum(torch.frexp(least).exponent - 1)
        ulp = torch.finfo(self.dtype).eps * torch.ldexp(torch.ones_like(value), exponent)
        return torch.where(value == 0, 0.0, ulp / 12**0.5)
