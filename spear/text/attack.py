"""Exact attack on text: hidden states first, and then the token sequences that they belong to."""

from dataclasses import replace

from torch import nn

from spear.attack import ProgressCallback
from spear.budget import Budget
from spear.domain import Domain
from spear.inversion import SpearPair
from spear.reconstruction import Reconstruction, Status
from spear.text.certificate import RecoveredText
from spear.text.observation import TextObservation, as_rows
from spear.text.recovery import recovered
from spear.text.repeats import with_repeats
from spear.text.victim import check_takes_tokens, language_model_of
from spear.text.weak_states import sequences_within, states_of
from spear.text.whole_batch import compared
from spear.transformer import block_at, inner_model
from spear.update import Update

FIRST_STARTS = 1000
"""Starts after which the search for a decoder's states makes way for a look at the gradient."""

BY_GRADIENT = "by_gradient"
"""Name among `details`: 1 if the gradient of the sequences, and not their states, proves them."""


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

    Weak states of a decoder may be missing. Its text is then read from the gradient's span
    (`spear.text.weak_states`), and proven by its gradient alone if the labels are next tokens.

    Args:
        time_limit: seconds per batch after which no search for states begins and a running one
            gives up; None for no limit.
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
            LayerError: the model has no feed-forward block without a gate.
            VictimError: the network takes no tokens.
        """
        check_takes_tokens(network)
        model, _ = inner_model(network, {})
        block_at(model, 0)

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
        those that belong to no certified sequence, the starts of the search, the seconds of
        reading, the relative difference of the sequences' gradient from the shared one
        (`spear.text.whole_batch`), and `BY_GRADIENT`.

        Raises:
            InvalidObservation: an encoder's batch has more tokens than the model is wide.
            VictimError: the model is an encoder of a kind that cannot be read.
        """
        budget = Budget(self.search.limits.time_limit, progress)
        if not observation.block.first.weight_gradient.any():
            return Reconstruction.empty(0, observation.length, Status.ZERO_GRADIENT, budget.spent)
        found = self._by_states(observation, self._starts_at_first(observation), seed, budget)
        if found.status is Status.EXACT or observation.attention is not None:
            return found
        whole = _by_gradient(observation, budget)
        if whole is not None:
            return whole
        if found.details["starts"] < FIRST_STARTS or self.search.limits.max_starts <= FIRST_STARTS:
            return found
        if budget.over():
            return replace(found, status=Status.TIMED_OUT)
        return self._by_states(observation, self.search.limits.max_starts, seed, budget)

    def _starts_at_first(self, observation: TextObservation) -> float:
        """Starts of the search for states, fewer if the text can be proven without it."""
        most = self.search.limits.max_starts
        if observation.attention is not None or observation.update is None:
            return most
        return min(FIRST_STARTS, most)

    def _by_states(
        self, observation: TextObservation, max_starts: float, seed: int, budget: Budget
    ) -> Reconstruction:
        """Search within what is left of the budget, and read the text."""
        left, device = budget.share(1).limit, self.search.limits.device
        search = SpearPair(time_limit=left, max_starts=max_starts, device=device)
        before = budget.spent
        text = recovered(observation, search, seed, budget.report)
        sequences = sorted(text.sequences, key=lambda each: not each.certified)
        details = {
            "certified": float(sum(each.certified for each in sequences)),
            "states": float(text.states.n_directions),
            "unexplained": float(text.unexplained),
            "starts": text.states.details.get("starts", 0.0),
            "reading_seconds": budget.spent - before - text.states.seconds,
        }
        tokens = [each.tokens for each in sequences]
        status = _status(text)
        if status is Status.EXACT:
            if observation.attention is None:
                tokens, comparison = with_repeats(observation.update, tokens, observation.inputs)
            else:
                comparison = compared(observation.update, tokens, decoder=False)
            details |= {} if comparison is None else {"residual": comparison.difference}
            if comparison is None:  # certified, but nothing tells that the batch has no more
                status = Status.APPROXIMATE
            elif not comparison.same:
                status = Status.PARTIAL
        rows = as_rows(tokens, observation.length, observation.padding)
        found = Reconstruction.estimate(rows, budget.spent, status, details)
        return replace(found, states=text.states.inputs[: text.states.n_directions].cpu())


def _by_gradient(observation: TextObservation, budget: Budget) -> Reconstruction | None:
    """The text of a decoder if its gradient proves it, though states are missing; else None."""
    tokens = sequences_within(observation)
    comparison = compared(observation.update, tokens, decoder=True)
    if comparison is None or not comparison.of_tokens or not comparison.same:
        return None
    states = states_of(observation, tokens)
    details = {
        "certified": float(len(tokens)),
        "states": float(len(states)),
        "unexplained": 0.0,
        "residual": comparison.difference,
        BY_GRADIENT: 1.0,
    }
    rows = as_rows(tokens, observation.length, observation.padding)
    found = Reconstruction.estimate(rows, budget.spent, Status.EXACT, details)
    return replace(found, states=states.cpu())


def _status(text: RecoveredText) -> Status:
    """End of the search for states; if all are there, whether sequences explain them."""
    if text.states.status not in (Status.EXACT, Status.APPROXIMATE):
        return text.states.status
    certified = all(each.certified for each in text.sequences)
    return text.states.status if certified and not text.unexplained else Status.PARTIAL
