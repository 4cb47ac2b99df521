"""Truth that the client keeps to itself, for scoring alone: no attack sees it."""

import math
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from spear.client.client import Client
from spear.data.base import Batch
from spear.data.joint import JointBatch
from spear.errors import LayerError
from spear.folding import without_norms
from spear.layers import linear_layers, numbered
from spear.probing import probe
from spear.scoring import bounds
from spear.scoring.positions import Positions, positions_of
from spear.transformer import AnyBlock, block_at, gated_block_at, inner_model
from spear.update import Update
from spear.validation import all_finite

SAME = 1e-6
"""Relative distance up to which two hidden states are equal: float32 computes them to about it."""

MOST_COLUMNS = 1 << 14
"""Most columns of dL/dW over which a median is taken or a product compared."""


@dataclass(frozen=True)
class Truth:
    """The batch behind an observation, at the attacked layer Z = W X + b (Section 2).

    Attributes:
        inputs: X^T, the attacked layer's inputs, flattened, one a row (b x n), in the units in
            which the layer received them (the first layer: as the network receives them). Tokens
            are whole numbers; equal hidden states of a block are one row.
        activation_gradients: dL/dZ (m x b) of the undefended first step, its columns in the order
            of `inputs`. 0 x b if the attack is on the network's inputs and on no layer.
        labels: b class indices, or b x K class probabilities.
        weight_update: the client's update of W (m x n); None if it is not known or not finite.
        positions: hidden states at all token positions of a batch of text; None of other batches.
        owners: number of the client of each input (b); None of one client, and of hidden states.
    """

    inputs: Tensor
    activation_gradients: Tensor
    labels: Tensor
    weight_update: Tensor | None = None
    positions: Positions | None = None
    owners: Tensor | None = None

    @cached_property
    def shared_gradients(self) -> Tensor:
        """Factor D (m x b) of the shared update D X^T, which an attack can find instead of dL/dZ.

        It is dL/dZ if the update is the plain gradient. Otherwise it follows from the update and
        the inputs by least squares: the sum over local steps, or clipped columns
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
        """Least squares estimate of X^T (b x n) from the update and the true D.

        No attack without a prior on the inputs can expect better. None if the update is not known.
        """
        if self.weight_update is None:
            return None
        return bounds.inputs_given_gradients(self.weight_update, self.shared_gradients)

    def findable(self) -> int:
        """Return the number of directions that an exhaustive search finds.

        See `spear.scoring.bounds.determined_directions`.
        """
        return bounds.determined_directions(self.activation_gradients)

    def weight_gradient_median(self) -> float:
        """Return the median magnitude of the entries of the undefended dL/dW (Theorem 3.1).

        Noise is measured against it (App. E.6). Of more than `MOST_COLUMNS` columns, evenly spaced
        ones are used. NaN without a layer.
        """
        gradient = self.activation_gradients @ self.inputs[:, :: self._step()]
        return gradient.abs().median().item()

    def least_sparsity(self) -> float:
        """Return the least share of zeros in a column of dL/dZ, in [0, 1].

        This is the "minimum column sparsity" of Fig. 7. All m neurons count, including those that
        no input activates. NaN without a layer.
        """
        if not len(self.activation_gradients):
            return math.nan
        zeros = (self.activation_gradients == 0).sum(dim=0)
        return zeros.min().item() / len(self.activation_gradients)

    def _step(self) -> int:
        return -(-self.inputs.shape[1] // MOST_COLUMNS)


def truth_of(
    client: Client,
    batch: Batch,
    layer: int | None,
    update: Update | None = None,
    block: AnyBlock[Any] | None = None,
) -> Truth:
    """Return the truth that an attack on `layer` should find: the layer's inputs and dL/dZ.

    Args:
        client: the client that shares the batch's update.
        batch: the private batch.
        layer: number of the attacked linear layer, counted from 1; None for the network's own
            inputs, which have no dL/dZ (m = 0), and for those of `block`.
        update: the batch's update, which shows how a defense or further local steps changed dL/dZ.
        block: attacked feed-forward block of a transformer; None for an attack on no block.

    Raises:
        LayerError: there is no such layer.
    """
    if block is not None:
        return _truth_of_block(client, batch, block, update)
    owners = batch.owners if isinstance(batch, JointBatch) else None
    if layer is None:
        inputs = batch.inputs.flatten(1)
        positions = None
        if not inputs.is_floating_point():
            inputs, positions = inputs.double(), _positions(client, batch)
        none = inputs.new_zeros(0, len(inputs))
        return Truth(inputs, none, batch.labels, positions=positions, owners=owners)
    plain = update.folded.network if update else without_norms(client.network, batch.inputs[:2])
    attacked = numbered(update.layers if update else linear_layers(plain, batch.inputs[:2]), layer)
    with probe({attacked.name: attacked.module}) as calls:
        loss = client.loss(plain(batch.inputs), batch.labels)
    last = calls[-1]
    (gradient,) = torch.autograd.grad(loss, last.output)
    shared = _finite(update.folded.gradients.get(f"{attacked.name}.weight") if update else None)
    true = last.inputs.detach()
    return Truth(true, gradient.T.contiguous(), batch.labels, shared, owners=owners)


def _truth_of_block(
    client: Client, batch: Batch, block: AnyBlock[Any], update: Update | None
) -> Truth:
    """The truth of a feed-forward block: its inputs at all positions that leave a gradient."""
    positions, gradients = positions_of(client, batch, block)
    leaving = positions.leaving.flatten()
    inputs, gradients = positions.inputs.flatten(0, 1)[leaving], gradients[leaving]
    kept, group = _distinct(inputs)
    summed = gradients.new_zeros(len(kept), gradients.shape[1]).index_add(0, group, gradients)
    shared = None
    if update is not None:
        _, own = inner_model(update.network, update.gradients)
        shared = block.gradients(own).get(f"{block.name}.weight")
    return Truth(inputs[kept], summed.T.contiguous(), batch.labels, _finite(shared), positions)


def _positions(client: Client, batch: Batch) -> Positions | None:
    """Positions of the first block of a network of tokens; None if it has no block."""
    model, _ = inner_model(client.network, {})
    for find in (block_at, gated_block_at):
        with suppress(LayerError):
            return positions_of(client, batch, find(model, 0))[0]
    return None


def _distinct(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of rows that differ from all before them, and the number among these of each row."""
    if not len(rows):
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    exact = rows.double()
    apart = torch.cdist(exact, exact) / exact.norm(dim=1).clamp(min=1e-300)
    first = (apart <= SAME).double().argmax(dim=1)
    kept, group = torch.unique(first, return_inverse=True)
    return kept, group


def _finite(shared: Tensor | None) -> Tensor | None:
    return shared if shared is not None and all_finite(shared) else None
