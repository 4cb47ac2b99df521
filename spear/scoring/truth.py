"""Truth that the client keeps to itself. For scoring only: no attack sees it."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from spear.client.client import Client
from spear.data.base import Batch
from spear.layers import linear_layers, numbered
from spear.probing import probe
from spear.scoring import bounds
from spear.update import Update
from spear.validation import all_finite

MOST_COLUMNS = 1 << 14
"""Columns of dL/dW that a median is taken over, or a product compared on."""


@dataclass(frozen=True)
class Truth:
    """The batch behind an observation, at the attacked layer Z = W X + b (Section 2).

    Attributes:
        inputs: X^T, the attacked layer's inputs, flattened, one a row (b x n), in the units in
            which the layer received them (the first layer: as the network receives them).
        activation_gradients: dL/dZ (m x b) of the undefended first step, its columns in the order
            of `inputs`. 0 x b if the attack is on the network's inputs and on no layer.
        labels: b class indices, or b x K class probabilities.
        weight_update: what the client shared for W (m x n); None if it is not known or not
            finite.
    """

    inputs: Tensor
    activation_gradients: Tensor
    labels: Tensor
    weight_update: Tensor | None = None

    @cached_property
    def shared_gradients(self) -> Tensor:
        """D (m x b) of the shared update D X^T: what an attack can find in place of dL/dZ.

        dL/dZ itself if the update is the plain gradient, else by least squares from the update
        and the inputs: the sum over local steps, the clipped columns
        (`spear.scoring.bounds.gradients_given_inputs`).
        """
        if self.weight_update is None:
            return self.activation_gradients
        step = self._step()
        sample, seen = self.weight_update[:, ::step], self.inputs[:, ::step]
        if bounds.explains(sample, self.activation_gradients, seen):
            return self.activation_gradients
        return bounds.gradients_given_inputs(self.weight_update, self.inputs)

    @cached_property
    def best_inputs(self) -> Tensor | None:
        """X^T (b x n) by least squares from the update, had the attack known D.

        A bound on what any attack without a prior on the inputs can expect; None if the update is
        not known.
        """
        if self.weight_update is None:
            return None
        return bounds.inputs_given_gradients(self.weight_update, self.shared_gradients)

    def findable(self) -> int:
        """Number of directions that an exhaustive search meets (`bounds.determined_directions`)."""
        return bounds.determined_directions(self.activation_gradients)

    def weight_gradient_median(self) -> float:
        """Median magnitude of an entry of the undefended dL/dW = dL/dZ X^T (Theorem 3.1).

        Noise is measured against it (App. E.6). Over evenly spaced columns if there are more
        than `MOST_COLUMNS`. NaN without a layer.
        """
        gradient = self.activation_gradients @ self.inputs[:, :: self._step()]
        return gradient.abs().median().item()

    def least_sparsity(self) -> float:
        """Least share of zeros in a column of dL/dZ, in [0, 1]: "minimum column sparsity" (Fig. 7).

        All m neurons count, those that no sample activates among them. NaN without a layer.
        """
        if not len(self.activation_gradients):
            return math.nan
        zeros = (self.activation_gradients == 0).sum(dim=0)
        return zeros.min().item() / len(self.activation_gradients)

    def _step(self) -> int:
        return -(-self.inputs.shape[1] // MOST_COLUMNS)


def truth_of(
    client: Client, batch: Batch, layer: int | None, update: Update | None = None
) -> Truth:
    """Return what the attack on `layer` should find: that layer's inputs and dL/dZ.

    Args:
        client: that shares the batch's update.
        batch: the private batch.
        layer: the attacked linear layer, counted from 1; None for the network's own inputs,
            which have no dL/dZ (m = 0).
        update: what was shared of it, to learn which dL/dZ that shows if a defense or
            further local steps have changed it.
    """
    if layer is None:
        inputs = batch.inputs.flatten(1)
        return Truth(inputs, inputs.new_zeros(0, len(inputs)), batch.labels)
    layers = update.layers if update else linear_layers(client.network, batch.inputs[:2])
    attacked = numbered(layers, layer)
    with probe({attacked.name: attacked.module}) as calls:
        loss = client.loss(client.network(batch.inputs), batch.labels)
    last = calls[-1]
    (gradient,) = torch.autograd.grad(loss, last.output)
    shared = update.gradients.get(f"{attacked.name}.weight") if update else None
    if shared is not None and not all_finite(shared):
        shared = None
    return Truth(last.inputs.detach(), gradient.T.contiguous(), batch.labels, shared)
