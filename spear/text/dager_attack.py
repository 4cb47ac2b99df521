"""DAGER, an attack on text by span tests alone, as a baseline without a proof.

DAGER: Petrov, Dimitrov, Baader, Mueller, Vechev: Exact Gradient Inversion for Large Language
Models, NeurIPS 2024.
"""

from contextlib import suppress
from dataclasses import dataclass

from torch import Tensor, nn

from spear.attack import ProgressCallback
from spear.budget import Budget
from spear.domain import Domain
from spear.errors import LayerError
from spear.reconstruction import Reconstruction, Status
from spear.settings import check_least
from spear.text.certificate import Tokens
from spear.text.dager import TokensInSpan, tokens_within
from spear.text.decoder import looks_ahead
from spear.text.embeddings import Embeddings
from spear.text.grown import grown
from spear.text.observation import as_rows, padding_of
from spear.text.span import Span
from spear.text.victim import check_takes_tokens, language_model_of
from spear.transformer.block_inputs import BlockInputs
from spear.update import Update


@dataclass(frozen=True)
class DagerObservation:
    """Updates of the first two attentions, and the model that the server sent.

    Attributes:
        embeddings: inputs of the first attention, by token and position.
        first: update of its query, key and value (k m x n).
        second: update of those of the second attention; None of an encoder, of a model of one
            block, or if it is frozen.
        inputs: of the second attention; None with `second`.
        length, padding: of a sequence as the network receives it.
    """

    embeddings: Embeddings
    first: Tensor
    second: Tensor | None
    inputs: BlockInputs | None
    length: int
    padding: int


class Dager:
    """DAGER's span tests: token sets by position, and for decoders sequences that are grown.

    An embedding, or the input of the second attention, is in the row space of that layer's
    gradient if it was in the batch. Decoders: each beginning is continued by the tokens of the next
    position whose second test holds, which the paper calls the greedy approach. Encoders, and
    decoders of which none is left: sequence j has the j-th nearest token of each position. The
    paper's heuristic search over combinations, for encoders, is left out. Nothing is proven. The
    client must not have used dropout.

    Args:
        sequences: how many to return at most, the batch size, which DAGER is told.
        beam: beginnings that are continued at most, the nearest first.

    Raises:
        ConfigError: a setting is below 1.
    """

    layer = None
    given_labels = False

    def __init__(self, sequences: int = 1, beam: int = 64) -> None:
        check_least(1, sequences=sequences, beam=beam)
        self.sequences = sequences
        self.beam = beam

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`.

        Raises:
            VictimError: the network takes no tokens.
        """
        check_takes_tokens(network)

    def observe(self, update: Update) -> DagerObservation:
        """Return the updates of the first attention, and for a decoder of the second one.

        Raises:
            LayerError: the first attention is frozen.
            VictimError: the network takes no tokens.
        """
        model, gradients = language_model_of(update)
        embeddings = Embeddings.of(model)
        first = embeddings.gradient(gradients)
        second, inputs = None, None
        following = embeddings.second_attention()
        if following is not None and not looks_ahead(following.inputs, embeddings.vocabulary):
            with suppress(LayerError):  # frozen: the first test alone is left
                second, inputs = following.gradient(gradients), following.inputs
        return DagerObservation(
            embeddings, first, second, inputs, update.domain.shape[0], padding_of(model)
        )

    def __call__(
        self,
        observation: DagerObservation,
        *,
        seed: int = 0,
        progress: ProgressCallback | None = None,
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`.

        `details` has the rank of the first span, the number of tokens in it over all positions, and
        the sequences that the second test left.

        Raises:
            InvalidObservation: the whole vocabulary is in a span.
        """
        budget = Budget(None, progress)
        if not observation.first.any():
            return Reconstruction.empty(0, observation.length, Status.ZERO_GRADIENT, budget.spent)
        span = Span.of(observation.first, needs_gap=False)
        within = tokens_within(observation.embeddings, span)
        found: list[Tokens] = []
        if observation.second is not None and observation.inputs is not None:
            second = Span.of(observation.second, needs_gap=False)
            found = grown(within.tokens, second, observation.inputs, self.beam)
        details = {
            "rank": float(span.rank),
            "tokens_in_span": float(sum(map(len, within.tokens))),
            "sequences_in_span": float(len(found)),
        }
        found = found or nearest(within, self.sequences)
        rows = as_rows(found[: self.sequences], observation.length, observation.padding)
        return Reconstruction.estimate(rows, budget.spent, details=details)


def nearest(within: TokensInSpan, count: int) -> list[Tokens]:
    """Return sequences of the j-th nearest tokens: those of each position while it has so many."""
    columns = within.tokens
    most = min(count, max(map(len, columns), default=0))
    return [tuple(each[min(j, len(each) - 1)] for each in columns) for j in range(most)]
