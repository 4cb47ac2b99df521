"""An activation that torch.nn does not have."""

import torch
from torch import Tensor, nn


class SquaredReLU(nn.Module):
    """Activation max(z, 0)^2, elementwise (So et al., "Primer", NeurIPS 2021).

    Its derivative is zero for z < 0, like that of a ReLU. `spear.layers` sees the ReLU in it, so
    that attacks by sparsity apply.
    """

    def forward(self, z: Tensor) -> Tensor:
        """Activate any number of neurons."""
        return torch.relu(z).square()
