"""Derivatives of a network behind its first linear layer, sample by sample."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spear.update import Update

AT_ONCE = 1 << 22
"""Entries of pre-activations for which derivatives are computed at a time."""


class _Given(nn.Module):
    """Stands in the place of a layer: whatever it receives, it returns what it was given."""

    z: Tensor

    def forward(self, _: Tensor) -> Tensor:
        return self.z.clone()  # a ReLU behind it may work in place


@dataclass(frozen=True)
class Downstream:
    """Logits as a function of the first layer's pre-activations z.

    Attributes:
        network: the whole network, in float64, with frozen parameters and without the layer.
        given: the module in the layer's place.
        weight, bias: of the layer (m x n, and m).
        shape: of one of the network's inputs.
    """

    network: nn.Module
    given: _Given
    weight: Tensor
    bias: Tensor
    shape: tuple[int, ...]

    @classmethod
    def of(cls, update: Update) -> "Downstream":
        """Return that of an update whose network is its own (`Update.copied`) and is changed."""
        update = update.folded  # a norm behind the layer is part of it
        layer = update.layer(1)
        weight, bias = layer.module.weight.detach(), layer.module.bias.detach()
        update.network.requires_grad_(False)
        given = _Given()
        update.network.set_submodule(layer.name, given)
        return cls(update.network, given, weight, bias, update.domain.shape)

    def pre_activations(self, inputs: Tensor) -> Tensor:
        """Return z (k x m) of inputs (k x n)."""
        return inputs @ self.weight.T + self.bias

    def logits(self, z: Tensor) -> Tensor:
        """Return the network's outputs (k x K) for pre-activations (k x m)."""
        self.given.z = z
        outputs: Tensor = self.network(z.detach().new_zeros(len(z), *self.shape))
        return outputs

    def pulled_back(self, z: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return J^T (p - y) of each sample (k x m), the gradient of its cross-entropy by z.

        p are the class probabilities and J the Jacobian of the logits.

        Args:
            z: pre-activations (k x m).
            targets: class of each sample (k); J^T p without them.
        """
        z = z.detach().requires_grad_()
        outputs = self.logits(z)
        weights = outputs.detach().softmax(dim=1)
        if targets is not None:
            weights[torch.arange(len(z)), targets] -= 1.0
        (gradient,) = torch.autograd.grad(outputs, z, weights)
        return gradient

    def jacobian_rows(self, z: Tensor, neurons: Tensor) -> Tensor:
        """Return the derivatives of all logits by one pre-activation of each sample (k x K).

        Args:
            z: pre-activations (k x m).
            neurons: the one of each sample (k).
        """
        size = max(1, AT_ONCE // z.shape[1])
        parts = []
        for some, places in zip(torch.split(z, size), torch.split(neurons, size), strict=True):
            parts.append(self._forward(some.detach().clone().requires_grad_(), places))
        return torch.cat(parts)

    def _forward(self, z: Tensor, neurons: Tensor) -> Tensor:
        """Derivatives of the logits by one pre-activation of each sample (k x K).

        J^T v is linear in v, so that its derivative by v in the direction e_j is row j of J^T: two
        backward passes in the place of a forward one, which torch takes seconds to set up.
        """
        outputs = self.logits(z)
        weights = torch.zeros_like(outputs, requires_grad=True)
        (pulled,) = torch.autograd.grad(outputs, z, weights, create_graph=True)
        (rows,) = torch.autograd.grad(pulled.gather(1, neurons[:, None]).sum(), weights)
        return rows
