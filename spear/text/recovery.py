"""From a language model's gradient to hidden states, and from these to the text."""

from spear.attack import Attack, ProgressCallback
from spear.observation import LayerPair
from spear.text.certificate import RecoveredText
from spear.text.dager import tokens_within
from spear.text.decoder import read_sequences
from spear.text.encoder import read_encoder
from spear.text.observation import TextObservation
from spear.text.span import Span


def recovered(
    observation: TextObservation,
    attack: Attack[LayerPair],
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> RecoveredText:
    """Return the text behind an observation.

    Args:
        observation: of the model.
        attack: on the layer pair, for the hidden states.
        seed, progress: of the attack.

    Raises:
        InvalidObservation: an encoder's batch has more tokens than the model is wide.
        VictimError: the model is an encoder of a kind that cannot be read.
    """
    attention = observation.attention
    span = None if attention is None else Span.of(attention)
    found = attack(observation.block, seed=seed, progress=progress)
    states = found.inputs[: found.n_directions].cpu()
    inputs, embeddings = observation.inputs, observation.embeddings
    if span is None:
        read = read_sequences(inputs, states, embeddings.vocabulary, embeddings.longest)
    else:
        read = read_encoder(inputs, states, tokens_within(embeddings, span))
    sequences, unexplained = read
    return RecoveredText(tuple(sequences), found, unexplained + found.missing)
