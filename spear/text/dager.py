"""Tokens of each position by DAGER's span test alone, without a certificate.

DAGER: Petrov et al., NeurIPS 2024, Section 4.1; the test itself is in `spear.text.span`.
"""

from dataclasses import dataclass

import torch

from spear.errors import InvalidObservation
from spear.text.embeddings import Embeddings
from spear.text.span import Span

FIRST_STEP = 16
"""Positions that are tested together at first; twice as many each time that all hold tokens."""


@dataclass(frozen=True)
class TokensInSpan:
    """Tokens whose embeddings are in the span of a gradient. Nothing proves that they were there.

    A token of the batch that leaves a gradient is among them, up to rounding. So may be others, in
    particular at positions that share a token with another one: their difference is in the span.

    Attributes:
        tokens: those of each position, nearest first.
        distances: of each from the span, relative to the embedding's length.
        outside: smallest distance of any that is not in the span.
        rank: dimensions of the span.
    """

    tokens: tuple[tuple[int, ...], ...]
    distances: tuple[tuple[float, ...], ...]
    outside: float
    rank: int

    @property
    def nearest(self) -> tuple[int, ...]:
        """Nearest token of each position: the guess at a batch of one sequence."""
        return tuple(each[0] for each in self.tokens)


def tokens_within(embeddings: Embeddings, span: Span) -> TokensInSpan:
    """Return the tokens whose embeddings are in a span, up to the first position without any.

    Args:
        embeddings: of the model.
        span: of the gradient of the layers that take the embeddings.

    Raises:
        InvalidObservation: the whole vocabulary is in the span.
    """
    tokens: list[tuple[int, ...]] = []
    distances: list[tuple[float, ...]] = []
    outside, start, step = 1.0, 0, FIRST_STEP
    while start < embeddings.longest and start == len(tokens):
        stop = min(start + step, embeddings.longest)
        parts = [span.distances(each) for each in embeddings.by_token(start, stop)]
        for column in torch.cat(parts).T:
            values, order = torch.sort(column, stable=True)
            inside = int((values <= span.threshold).sum())
            _check_telling(inside, embeddings.vocabulary, len(tokens))
            outside = min([outside, *values[inside : inside + 1].tolist()])
            if inside == 0:
                break
            tokens.append(tuple(order[:inside].tolist()))
            distances.append(tuple(values[:inside].tolist()))
        start, step = stop, stop
    return TokensInSpan(tuple(tokens), tuple(distances), outside, span.rank)


def _check_telling(inside: int, vocabulary: int, position: int) -> None:
    if inside == vocabulary:
        raise InvalidObservation(
            f"all {vocabulary} tokens are in the gradient's span at position {position}; expected "
            "fewer tokens in the batch than the model is wide: attack a smaller batch."
        )
