"""Part of a language model's update that attacks on its text look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spear.observation import LayerPair
from spear.reading import Shared
from spear.text.decoder import looks_ahead
from spear.text.embeddings import Embeddings
from spear.transformer.block_inputs import BlockInputs
from spear.transformer.blocks import block_at
from spear.update import Update


@dataclass(frozen=True)
class TextObservation:
    """First block of a language model and its update, with what the model says of any tokens.

    Attributes:
        block: both layers of the first feed-forward block, with their updates.
        inputs: inputs of this block, for tokens of the server's own.
        embeddings: inputs of the first attention, by token and position.
        attention: update of its query, key and value (k m x n); None of a decoder, whose
            sequences are read without it.
        length, padding: of a sequence as the network receives it.
        update: the whole one, by which a decoder's batch is proven to be complete; None if the
            training task is not known.
    """

    block: LayerPair
    inputs: BlockInputs
    embeddings: Embeddings
    attention: Tensor | None
    length: int
    padding: int
    update: Update | None = None

    @classmethod
    def of(
        cls, model: nn.Module, gradients: Shared, update: Update | None = None
    ) -> "TextObservation":
        """Return the observation of a model of `transformers` and its gradients.

        Args:
            model: as it was when the gradients were computed.
            gradients: see `spear.invert_block`.
            update: with these gradients; sequences may be as long as the model allows unless given.

        Raises:
            LayerError: a parameter of the first block is frozen, or an encoder's first attention.
            InvalidObservation: the gradients do not fit the model.
            VictimError: the model takes no tokens.
        """
        block = block_at(model, 0)
        embeddings = Embeddings.of(model)
        seen = block.observed(gradients)
        inputs = BlockInputs.of(block)
        ahead = looks_ahead(inputs, embeddings.vocabulary)
        attention = embeddings.gradient(gradients) if ahead else None
        length = embeddings.longest if update is None else update.domain.shape[0]
        return cls(seen, inputs, embeddings, attention, length, padding_of(model), update)


def as_rows(sequences: Sequence[Sequence[int]], length: int, padding: int) -> Tensor:
    """Return sequences as rows filled up with padding (b x length, float64)."""
    filled = torch.full((len(sequences), length), float(padding), dtype=torch.float64)
    for row, tokens in zip(filled, sequences, strict=True):
        row[: len(tokens)] = torch.tensor(tokens[:length])
    return filled


def padding_of(model: nn.Module) -> int:
    """Return the token that fills sequences of a model up; 0 if it names none."""
    config: Any = model.config
    return getattr(config, "pad_token_id", None) or 0
