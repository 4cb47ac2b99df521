"""Exact attack on text: hidden states first, and then the token sequences that they belong to."""

from dataclasses import replace

from torch import nn

from spear.attack import Attack, ProgressCallback
from spear.budget import Budget
from spear.domain import Domain
from spear.inversion import SpearPair
from spear.observation import LayerPair
from spear.reconstruction import Reconstruction, Status
from spear.text.certificate import RecoveredText
from spear.text.dager import tokens_within
from spear.text.decoder import read_sequences
from spear.text.encoder import read_encoder
from spear.text.observation import TextObservation, as_rows
from spear.text.span import Span
from spear.text.victim import check_takes_tokens, language_model_of
from spear.text.whole_batch import TOLERANCE, residual
from spear.update import Update


class SpearText:
    """Finds the token sequences behind the gradient of a language model.

    The hidden states that enter the first feed-forward block are found exactly. A sequence is
    certified if the model's own states of it equal recovered ones, and those of no other sequence
    that was tried come near. The client must not have used dropout.

    The result is `exact` if all states are proven right, certified sequences explain all of them,
    and the gradient of these sequences is the shared one. The last is for equal sequences, and for
    beginnings of others, which leave no states of their own. It needs the labels: those of classes
    follow from the update, and those of next tokens from the sequences, which have to end with the
    tokenizer's token for it, as in `dataset=sentences`. Those of masked tokens are not known: of
    equal sequences one is found there.

    Args:
        time_limit: seconds per batch after which the search for states gives up; None for no limit.
        max_starts: starts after which it gives up.
        device: where to search for states, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
    """

    layer = None
    given_labels = False

    def __init__(
        self, time_limit: float | None = 60.0, max_starts: float = 1e6, device: str = "cpu"
    ) -> None:
        self.search = SpearPair(time_limit=time_limit, max_starts=max_starts, device=device)

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`.

        Raises:
            VictimError: the network takes no tokens.
        """
        check_takes_tokens(network)

    def observe(self, update: Update) -> TextObservation:
        """Return the update of the first block, and for an encoder that of its attention.

        The rest of the update is for the proof that a batch is complete.

        Raises:
            LayerError, InvalidObservation, VictimError: see `TextObservation.of`.
        """
        return TextObservation.of(*language_model_of(update), update)

    def __call__(
        self,
        observation: TextObservation,
        *,
        seed: int = 0,
        progress: ProgressCallback | None = None,
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`.

        `inputs` has the sequences, certified ones first, filled up with padding, and `states` the
        hidden states. `details` has the numbers of certified sequences, of hidden states, and of
        those that belong to no certified sequence, the seconds that reading took, and the relative
        difference of the sequences' gradient from the shared one (`spear.text.whole_batch`).

        Raises:
            InvalidObservation: an encoder's batch has more tokens than the model is wide.
            VictimError: the model is an encoder of a kind that cannot be read.
        """
        budget = Budget(None, progress)
        if not observation.block.first.weight_gradient.any():
            return Reconstruction.empty(0, observation.length, Status.ZERO_GRADIENT, budget.spent)
        text = recovered(observation, self.search, seed, progress)
        sequences = sorted(text.sequences, key=lambda each: not each.certified)
        details = {
            "certified": float(sum(each.certified for each in sequences)),
            "states": float(text.states.n_directions),
            "unexplained": float(text.unexplained),
            "reading_seconds": budget.spent - text.states.seconds,
        }
        tokens = [each.tokens for each in sequences]
        status = _status(text)
        if status is Status.EXACT:
            apart = residual(observation.update, tokens, observation.attention is None)
            details |= {} if apart is None else {"residual": apart}
            if apart is None:  # certified, but nothing tells that the batch has no more
                status = Status.APPROXIMATE
            elif apart > TOLERANCE:
                status = Status.PARTIAL
        rows = as_rows(tokens, observation.length, observation.padding)
        found = Reconstruction.estimate(rows, budget.spent, status, details)
        return replace(found, states=text.states.inputs[: text.states.n_directions].cpu())


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


def _status(text: RecoveredText) -> Status:
    """End of the search for states; if all are there, whether sequences explain them."""
    if text.states.status not in (Status.EXACT, Status.APPROXIMATE):
        return text.states.status
    certified = all(each.certified for each in text.sequences)
    return text.states.status if certified and not text.unexplained else Status.PARTIAL
