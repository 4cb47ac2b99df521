"""Proof of a batch: its forward and backward pass reproduces the whole shared update.

The rounding of the client's pass is measured: the pass of the found batch in float32 differs from
that in float64 by it. A float64 client rounds by as much less as its numbers have more digits.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spear.vision.passes import Batch, Passes

ROUNDING = 4.0
"""Difference from the shared update, in units of its rounding, up to which both are the same. The
true images have up to 1.7, found ones up to 3."""

STORED = 0.25 * torch.finfo(torch.float32).eps
"""Rounding of a stored float32 number, relative to it: no gradient has less."""

OWN = 4.0
"""Rounding of a float64 update, to which the server's own pass and images add theirs."""

KNOWN = 1e-2
"""Largest root mean square error of a patch that rounding may hide in a proven batch, relative to
that of all pixels."""


@dataclass(frozen=True)
class Evidence:
    """Comparison of a batch's own gradients with the shared ones.

    Attributes:
        misfit: largest difference of a parameter's gradient from the shared one, in units of its
            rounding.
        hidden: largest root mean square error of a patch that rounding of the patches' gradient
            hides, relative to that of all pixels.
    """

    misfit: float
    hidden: float

    @property
    def reproduced(self) -> bool:
        """Tell whether the batch has the shared update, to its rounding."""
        return self.misfit <= ROUNDING

    @property
    def exact(self) -> bool:
        """Tell whether it has, and the update tells every patch."""
        return self.reproduced and self.hidden <= KNOWN


def evidence(passes: Passes, batch: Batch, shared: Mapping[str, Tensor]) -> Evidence:
    """Return how a batch's own gradients compare with the shared ones.

    Args:
        passes: of the model, in float64.
        batch: found; its patches are those that the model's convolution cuts.
        shared: the client's gradients by name, in its own precision.
    """
    own = passes.gradients(batch)
    rounding = roundings(passes, own, batch, shared)
    misses = {name: _length(own[name] - each) for name, each in shared.items()}
    ratios = [misses[name] / rounding[name] for name in misses]
    finite = all(map(math.isfinite, [*ratios, *rounding.values()]))
    misfit = max(ratios) if finite else math.inf
    projection = passes.layout.patches_weight
    error = misses[projection] + rounding[projection]
    patches, gradients = _patches(passes, batch), passes.patch_gradients(batch)
    reach = float(torch.linalg.vector_norm(torch.linalg.pinv(gradients), dim=0).max())
    lost = torch.linalg.matrix_rank(gradients) < len(gradients)
    size = _length(patches) / len(patches) ** 0.5
    hidden = math.inf if lost or size == 0.0 else error * reach / size
    return Evidence(misfit, hidden)


def roundings(
    passes: Passes, own: Mapping[str, Tensor], batch: Batch, shared: Mapping[str, Tensor]
) -> dict[str, float]:
    """Return the length of the rounding in each shared gradient.

    Args:
        own: the gradients of the batch in float64.
        batch: near the client's.
        shared: the client's gradients, which tell its precision.
    """
    single = passes.single().gradients(batch)
    tiny = torch.finfo(torch.float64).tiny
    return {
        name: max(_length(single[name] - own[name]), STORED * _length(own[name])) * _digits(each)
        + tiny
        for name, each in shared.items()
    }


def _digits(gradient: Tensor) -> float:
    """Rounding in the precision of a gradient, relative to that in float32."""
    own = OWN if gradient.dtype == torch.float64 else 1.0
    return own * torch.finfo(gradient.dtype).eps / torch.finfo(torch.float32).eps


def _patches(passes: Passes, batch: Batch) -> Tensor:
    """Patches of the batch, a row each (b N x P)."""
    size = passes.projection.kernel_size
    return nn.functional.unfold(batch.images, size, stride=size).mT.flatten(0, 1)


def _length(tensor: Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor.double()))
