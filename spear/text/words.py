"""Word embeddings of a language model: random ones to start from, and the nearest to any point."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from spear.domain import Domain
from spear.text.certificate import Tokens


def words_of(model: nn.Module) -> nn.Parameter:
    """Return the word embeddings of a model of `transformers` (V x d)."""
    find: Any = model.get_input_embeddings
    found: nn.Parameter = find().weight
    return found


class RandomWords:
    """Embeddings of random words, as a start of gradient matching.

    Args:
        words: embedding of each token (V x d).
    """

    def __init__(self, words: Tensor) -> None:
        self.words = words.cpu()

    def __call__(self, b: int, domain: Domain, generator: torch.Generator) -> Tensor:
        """Implement `Initialisation` for sequences of embeddings (T x d)."""
        drawn = torch.randint(len(self.words), (b, domain.shape[0]), generator=generator)
        return self.words[drawn]


def nearest_words(embeddings: Tensor, words: Tensor, lengths: Sequence[int]) -> list[Tokens]:
    """Return the tokens whose embeddings are nearest, of the first positions of each sequence.

    Args:
        embeddings: of sequences (b x T x d).
        words: embedding of each token (V x d).
        lengths: tokens of each sequence.
    """
    words = words.to(embeddings)
    pairs = zip(embeddings, lengths, strict=True)
    return [tuple(torch.cdist(row[:length], words).argmin(dim=1).tolist()) for row, length in pairs]
