"""The text behind a gradient: token sequences whose hidden states equal the recovered ones."""

from spear.text.certificate import Matches, RecoveredText, TokenSequence
from spear.text.decoder import check_causal, read_sequences

__all__ = ["Matches", "RecoveredText", "TokenSequence", "check_causal", "read_sequences"]
