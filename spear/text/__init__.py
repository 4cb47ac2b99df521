"""The text behind a gradient: token sequences whose hidden states equal the recovered ones."""

from spear.text.certificate import Matches, RecoveredText, TokenSequence
from spear.text.dager import TokensInSpan, tokens_within
from spear.text.decoder import check_causal, read_sequences
from spear.text.embeddings import Embeddings
from spear.text.span import Span, threshold_of

__all__ = [
    "Embeddings",
    "Matches",
    "RecoveredText",
    "Span",
    "TokenSequence",
    "TokensInSpan",
    "check_causal",
    "read_sequences",
    "threshold_of",
    "tokens_within",
]
