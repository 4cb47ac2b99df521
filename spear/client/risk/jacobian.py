"""Jacobian of a batch's gradient by the batch's inputs, known by its products alone."""

from copy import deepcopy

import torch
from torch import Tensor, nn

from spear.baselines.gradient_matching.checks import check_derivatives
from spear.data.base import Batch
from spear.errors import InvalidObservation, VictimError
from spear.validation import all_finite
from spear.whole_update import check_modes

Parts = tuple[Tensor, ...]
"""Vector of P entries: one part per trained parameter, shaped like it."""


class GradientJacobian:
    """J = d phi / d x at a batch, where phi(x) = dL/dtheta over all trained parameters.

    J is P x n, for P parameters and n entries in all of the batch's inputs. It is never formed.
    Both products are derivatives in reverse mode of graphs that are kept: J^T u is that of
    <phi, u> by x, and J v is that of <J^T u, v>, which is linear in u, by u. All is in float64, on
    the batch's device.

    Args:
        network: the one that the client trains; it is copied.
        loss: maps (outputs, labels) to a scalar.
        batch: the private batch.

    Attributes:
        gradient: phi at the batch.
        n: number of entries in all of the batch's inputs.

    Raises:
        VictimError: no parameter is trained, outputs depend on chance or on the rest of a batch, or
            the gradients cannot be differentiated by the inputs.
        InvalidObservation: the gradient is not finite.
    """

    def __init__(self, network: nn.Module, loss: nn.Module, batch: Batch) -> None:
        check_modes(network)
        network, loss = deepcopy(network).double(), deepcopy(loss).double()
        parameters = [each for each in network.parameters() if each.requires_grad]
        if not parameters:
            raise VictimError(
                "the network has no parameter that is trained, and so no gradient that could leak; "
                "set requires_grad of some parameters."
            )
        self._inputs = batch.inputs.detach().double().requires_grad_()
        self.n = self._inputs.numel()

        def phi() -> Parts:
            value = loss(network(self._inputs), batch.labels)
            parts = torch.autograd.grad(
                value, parameters, create_graph=True, materialize_grads=True
            )
            # Parts that do not depend on the inputs may not be connected with them.
            return tuple(part + 0.0 * self._inputs.sum() for part in parts)

        def probe() -> Tensor:
            self._keep(phi())
            return _squared(self._phi) + self._pulled.sum()

        check_derivatives(network, self._inputs, probe)
        self._keep(phi())
        self.gradient = tuple(part.detach() for part in self._phi)
        if not all(all_finite(part) for part in self.gradient):
            raise InvalidObservation(
                "the gradient of this batch has entries that are NaN or infinite; check the "
                "network's parameters, the inputs and the loss."
            )

    def _keep(self, phi: Parts) -> None:
        """The graphs of phi and of J^T u."""
        self._phi = phi
        self._u = tuple(torch.zeros_like(part, requires_grad=True) for part in phi)
        (self._pulled,) = torch.autograd.grad(phi, self._inputs, self._u, create_graph=True)

    @property
    def norm(self) -> float:
        """L2 norm |phi| over all trained parameters."""
        return _squared(self.gradient).sqrt().item()

    def times(self, v: Tensor) -> Parts:
        """Return J v (P entries) for a change v of the inputs (n entries)."""
        v = v.to(self._inputs).view_as(self._inputs)
        return torch.autograd.grad(self._pulled, self._u, v, retain_graph=True)

    def transposed_times(self, u: Parts) -> Tensor:
        """Return J^T u (n entries) for a change u of the gradient (P entries)."""
        (product,) = torch.autograd.grad(self._phi, self._inputs, u, retain_graph=True)
        return product.flatten()


def _squared(parts: Parts) -> Tensor:
    return torch.stack([part.square().sum() for part in parts]).sum()
