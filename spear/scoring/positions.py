"""Truth of a transformer's block: which positions leave a gradient, and which were recovered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spear.client.client import Client
from spear.data.base import Batch
from spear.probing import Call, watching
from spear.reconstruction import Reconstruction
from spear.transformer import AnyBlock, inner_model

EXACT = 1e-3
"""Relative error up to which a hidden state counts as recovered."""


@dataclass(frozen=True)
class Positions:
    """Inputs of a layer at all token positions of a batch, which no attack sees.

    Attributes:
        inputs: hidden states (B x T x d).
        leaving: positions that leave a gradient at the layer (B x T).
    """

    inputs: Tensor
    leaving: Tensor

    @property
    def without_gradient(self) -> list[tuple[int, int]]:
        """(sequence, position) of each that leaves none, such as padding."""
        return [(int(i), int(t)) for i, t in torch.nonzero(~self.leaving)]

    def errors(self, found: Reconstruction) -> Tensor:
        """Return each position's relative distance to the nearest recovered row (B x T).

        Positions that leave no gradient have NaN: nothing of them can be recovered. Rows that only
        complete the basis do not count.
        """
        return self.distances(found.inputs[: found.n_directions])

    def distances(self, states: Tensor) -> Tensor:
        """Return each position's relative distance to the nearest of some states (B x T)."""
        truth = self.inputs.double().cpu().flatten(0, 1)
        rows = states.double().cpu()
        if len(rows) == 0:
            distances = torch.full((len(truth),), torch.inf, dtype=torch.float64)
        else:
            distances = torch.cdist(truth, rows).amin(dim=1) / truth.norm(dim=1)
        return distances.reshape(self.leaving.shape).where(self.leaving.cpu(), torch.nan)

    def share_exact(self, found: Reconstruction) -> float:
        """Return the share of the positions with a gradient that were recovered."""
        errors = self.errors(found)[self.leaving.cpu()]
        return float((errors <= EXACT).double().mean())


def share_of(
    model: nn.Module, batch: Mapping[str, Any], layer: str
) -> tuple[dict[str, Tensor], Positions]:
    """Return what a client shares of a batch, and the truth of a layer in the same run.

    Args:
        model: of `transformers`, in the client's mode; its gradients are not touched.
        batch: by name, with the labels that make the model return a loss.
        layer: name of a layer, such as the first one of a block.

    Returns:
        The gradients by parameter, and the positions.
    """
    calls: list[Call] = []
    with watching({layer: model.get_submodule(layer)}, calls.append):
        loss = model(**batch).loss
    shape = batch[str(model.main_input_name)].shape
    trained = {name: each for name, each in model.named_parameters() if each.requires_grad}
    (call,) = calls
    wanted = [call.output, *trained.values()]
    above, *gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
    shared = {k: each for k, each in zip(trained, gradients, strict=True) if each is not None}
    return shared, _positions(call, above, shape)


def positions_of(client: Client, batch: Batch, block: AnyBlock[Any]) -> tuple[Positions, Tensor]:
    """Return the truth of a feed-forward block, from the undefended first step of a client.

    Args:
        client: of a network of tokens.
        batch: the private batch (b x T tokens).
        block: of the client's network.

    Returns:
        The positions, and dL/dZ of the block's first layer at all of them (b T x m).
    """
    model, _ = inner_model(client.network, {})
    calls: list[Call] = []
    with watching({"": model.get_submodule(block.name)}, calls.append):
        loss = client.loss(client.network(batch.inputs), batch.labels)
    (call,) = calls
    (above,) = torch.autograd.grad(loss, call.output)
    found = _positions(call, above, batch.inputs.shape)
    return found, above.reshape(-1, above.shape[-1])


def _positions(call: Call, above: Tensor, shape: Sequence[int]) -> Positions:
    """Positions of a call; OPT's blocks see those of all sequences in a row."""
    own = shape if call.inputs.ndim == 2 else call.inputs.shape[:-1]
    return Positions(
        call.inputs.detach().reshape(*own, -1), above.ne(0).any(dim=-1).reshape(tuple(own))
    )
