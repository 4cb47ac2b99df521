"""Lengths of a batch's sequences: positions at which the end of one is in a gradient's span."""

from collections.abc import Mapping
from contextlib import suppress
from itertools import cycle, islice

import torch
from torch import Tensor, nn

from spear.errors import InvalidObservation, LayerError
from spear.text.embeddings import Embeddings
from spear.text.span import Span
from spear.transformer.block_inputs import BlockInputs


def sequence_lengths(
    model: nn.Module, gradients: Mapping[str, Tensor], b: int, longest: int, end: int
) -> tuple[int, ...]:
    """Return b lengths that fit the gradient of the first attention, the largest first.

    The end of a sequence of n tokens stands at position n - 1, and is in the row space of the
    gradient there (`spear.text.span`). If fewer lengths than b fit, they are repeated in turn; of
    more, the largest are kept. If none can be told, as under noise, all sequences are the longest.

    Args:
        model: of `transformers`.
        gradients: of its parameters.
        b: number of sequences.
        longest: largest number of tokens of one.
        end: token at the end of each sequence.
    """
    found = [longest]
    with suppress(InvalidObservation, LayerError):
        embeddings = Embeddings.of(model)
        span = Span.of(embeddings.gradient(dict(gradients)), needs_gap=False)
        inputs = BlockInputs(embeddings.model.network, embeddings.layers[0])
        inside = span.holds(inputs(torch.full((1, longest), end))[0])
        found = (1 + torch.nonzero(inside).flatten()).flip(0).tolist() or found
    return tuple(islice(cycle(found), b))
