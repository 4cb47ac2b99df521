"""The text behind a gradient: token sequences whose hidden states equal the recovered ones."""

from spear.text.attack import SpearText
from spear.text.blend import Blend, Candidates
from spear.text.certificate import Matches, RecoveredText, TokenSequence
from spear.text.dager import TokensInSpan, tokens_within
from spear.text.dager_attack import Dager, DagerObservation, nearest
from spear.text.decoder import looks_ahead, read_sequences
from spear.text.embeddings import Embeddings
from spear.text.encoder import read_encoder
from spear.text.gated_attack import GatedTextObservation, SpearTextGated
from spear.text.matching_attack import MatchingObservation, TextMatching
from spear.text.observation import TextObservation
from spear.text.recovery import recovered
from spear.text.span import Span, threshold_of

__all__ = [
    "Blend",
    "Candidates",
    "Dager",
    "DagerObservation",
    "Embeddings",
    "GatedTextObservation",
    "Matches",
    "MatchingObservation",
    "RecoveredText",
    "Span",
    "SpearText",
    "SpearTextGated",
    "TextMatching",
    "TextObservation",
    "TokenSequence",
    "TokensInSpan",
    "looks_ahead",
    "nearest",
    "read_encoder",
    "read_sequences",
    "recovered",
    "threshold_of",
    "tokens_within",
]
