"""Sentences of one repeated token, told apart by their gradient.

Without embeddings of positions all their states are equal, so that they are read as their first
token. Their labels differ, and so does their gradient.
"""

from collections.abc import Sequence

import torch

from spear.text.certificate import TOLERANCE, Tokens
from spear.text.whole_batch import Comparison, compared
from spear.transformer.block_inputs import BlockInputs
from spear.update import Update


def with_repeats(
    update: Update | None, sequences: Sequence[Tokens], inputs: BlockInputs
) -> tuple[list[Tokens], Comparison | None]:
    """Return a decoder's sequences and `compared` of them, single tokens repeated if that fits.

    Each sequence of a single token in turn is repeated as often as its gradient fits best, if
    nothing else than the labels tells how often it stands there.

    Args:
        update: of the model; None if it is not known.
        sequences: those found.
        inputs: of the first block.
    """
    best, comparison = list(sequences), compared(update, sequences, decoder=True)
    if update is None or comparison is None or not comparison.of_tokens or comparison.same:
        return best, comparison
    for place, each in enumerate(sequences):
        if len(each) > 1 or not _leaves_one_state(each, inputs):
            continue
        for times in range(2, update.domain.shape[0]):
            tried = [*best[:place], each * times, *best[place + 1 :]]
            found = compared(update, tried, decoder=True)
            if found is not None and found.difference < comparison.difference:
                best, comparison = tried, found
    return best, comparison


def _leaves_one_state(single: Tokens, inputs: BlockInputs) -> bool:
    """Tell whether a token that is repeated at the beginning leaves the same state again."""
    first, second = inputs(torch.tensor([single * 2]))[0]
    return float((first - second).norm()) <= TOLERANCE * float(first.norm())
