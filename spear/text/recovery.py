"""From a language model's gradient to hidden states, and from these to the text."""

from torch import Tensor

from spear.attack import Attack, ProgressCallback
from spear.inversion import SpearPair, SpearPairExpecting
from spear.observation import LayerPair
from spear.reconstruction import Reconstruction
from spear.text.certificate import RecoveredText, Tokens
from spear.text.dager import tokens_within
from spear.text.decoder import read_sequences
from spear.text.encoder import read_encoder
from spear.text.expected import expected_states, near_words
from spear.text.observation import TextObservation
from spear.text.span import Span

LONGEST = 64
"""Length of the sentences whose states are expected under dropout, at most."""


def recovered(
    observation: TextObservation,
    attack: Attack[LayerPair],
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> RecoveredText:
    """Return the text behind an observation.

    Args:
        observation: of the model.
        attack: on the layer pair, for the hidden states. A `SpearPair` on an encoder's begins at
            states to be expected (`spear.text.expected`).
        seed, progress: of the attack.

    Raises:
        InvalidObservation: an encoder's batch has more tokens than the model is wide.
        VictimError: the model is an encoder of a kind that cannot be read.
    """
    attention, inputs = observation.attention, observation.inputs
    embeddings = observation.embeddings
    if attention is None:
        found = attack(observation.block, seed=seed, progress=progress)
        longest = embeddings.longest
        read = read_sequences(inputs, _states(found), embeddings.vocabulary, longest)
    else:
        span = Span.of(attention)
        within = tokens_within(embeddings, span)
        columns = within.tokens or _under_dropout(observation, span)
        if columns and type(attack) is SpearPair:
            attack = SpearPairExpecting.like(attack, expected_states(inputs, columns, seed))
        found = attack(observation.block, seed=seed, progress=progress)
        read = read_encoder(inputs, _states(found), within)
    sequences, unexplained = read
    return RecoveredText(tuple(sequences), found, unexplained + found.missing)


def _states(found: Reconstruction) -> Tensor:
    return found.inputs[: found.n_directions].cpu()


def _under_dropout(observation: TextObservation, span: Span) -> tuple[Tokens, ...]:
    """Plausible tokens of each position if none is in the span; nothing if no word is near it."""
    words = near_words(observation.embeddings, span)
    length = min(observation.length, observation.embeddings.longest, LONGEST)
    return (words,) * length if words else ()
