"""Hidden states to expect of an encoder: those of random sentences of plausible tokens.

The span test (`spear.text.dager`) lists the tokens that may stand at each position. A sentence that
has a random one of them at each position is wrong as a whole, and yet the model's states of it are
near those of the batch, since a state depends most on its own token. Descents that begin there
(`spear.inversion.pair.expecting`) arrive more often than from random starts.

Dropout moves all embeddings out of the span. The words of the batch are still nearer to it than
others, at every position, since the span holds words and positions apart.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from spear.text.certificate import Tokens
from spear.text.embeddings import Embeddings
from spear.text.span import Span
from spear.transformer.block_inputs import BlockInputs

COVERED = 2
"""Times that every candidate is in a sentence, on average over those of the position with most."""

MOST = 128
"""Largest number of random sentences."""

PROBED = 3
"""Positions at which words are measured under dropout."""

NEARER = 0.5
"""Distance from the span, in that of the median word, up to which a word is plausible."""


def expected_states(inputs: BlockInputs, columns: Sequence[Tokens], seed: int) -> Tensor:
    """Return states of random sentences, one a row (k x d).

    Args:
        inputs: of the block whose states are sought.
        columns: tokens to choose from at each position, one or more.
        seed: of the sentences.
    """
    generator = torch.Generator().manual_seed(seed)
    count = min(MOST, COVERED * max(map(len, columns)))
    drawn = [
        torch.tensor(each)[torch.randint(len(each), (count,), generator=generator)]
        for each in columns
    ]
    return inputs(torch.stack(drawn, dim=1)).flatten(0, 1)


def near_words(embeddings: Embeddings, span: Span) -> Tokens:
    """Return the words nearer to a span than most at any of the first positions.

    Args:
        embeddings: of the model.
        span: of the gradient of the layers that take the embeddings, perhaps under dropout.
    """
    stop = min(PROBED, embeddings.longest)
    away = torch.cat([span.distances(each) for each in embeddings.by_token(0, stop)])
    near = away <= NEARER * away.median(dim=0).values
    return tuple(near.any(dim=1).nonzero()[:, 0].tolist())
