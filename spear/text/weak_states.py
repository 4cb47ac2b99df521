"""Text of a decoder some of whose states are nearly lost in the gradient's rounding.

A model that has learnt a sentence leaves hardly any gradient at its last positions. The search does
not find such states, but the row space of the gradient still holds them, to 1e-4 of their length.
So sequences are grown within the span. The states prove nothing then; the gradient of the sequences
does if their tokens are its labels (`spear.text.whole_batch`).
"""

from itertools import repeat

import torch
from torch import Tensor

from spear.errors import InvalidObservation
from spear.inversion.pair.common_rank import common_rank
from spear.text.certificate import Tokens
from spear.text.grown import grown
from spear.text.observation import TextObservation
from spear.text.span import Span

NEAR = 1e-3
"""Relative distance up to which a weak state is in the span: true ones have up to 1e-4, those of
other tokens 6e-3 and more. What all states have in common is most of their length."""

BEAM = 64
"""Beginnings that are continued at most."""


def sequences_within(observation: TextObservation) -> list[Tokens]:
    """Return the sequences of a decoder whose states are in the span of its first block's gradient.

    There are none if the span has no end.
    """
    block, embeddings = observation.block, observation.embeddings
    try:
        span = Span.of(block.first.weight_gradient, NEAR, rank=common_rank(block))
    except InvalidObservation:
        return []
    longest = min(embeddings.longest, observation.length)
    return grown(repeat(range(embeddings.vocabulary), longest), span, observation.inputs, BEAM)


def states_of(observation: TextObservation, sequences: list[Tokens]) -> Tensor:
    """Return the model's own states of sequences, one a row."""
    return torch.cat([observation.inputs(torch.tensor([each]))[0] for each in sequences])
