"""Text of decoders with gated blocks, such as Llama: states first, and then their sequences."""

from dataclasses import dataclass, replace

from torch import nn

from spear.attack import ProgressCallback
from spear.budget import Budget
from spear.domain import Domain
from spear.errors import VictimError
from spear.inversion.gated import SpearGated
from spear.reconstruction import Reconstruction, Status
from spear.text.certificate import TokenSequence
from spear.text.decoder import looks_ahead, read_sequences
from spear.text.embeddings import Embeddings
from spear.text.observation import as_rows, padding_of
from spear.text.repeats import with_repeats
from spear.text.victim import check_takes_tokens, language_model_of
from spear.transformer import BlockInputs, GatedLayers, gated_block_at, inner_model
from spear.update import Update


@dataclass(frozen=True)
class GatedTextObservation:
    """First gated block of a decoder and its update, with what the model says of any tokens.

    Attributes:
        block: the three layers, with their updates.
        inputs: of the block, for tokens of the server's own.
        vocabulary: number of tokens.
        padding: token that fills sequences up.
        update: the whole one, by which the text is proven.
    """

    block: GatedLayers
    inputs: BlockInputs
    vocabulary: int
    padding: int
    update: Update


class SpearTextGated:
    """Finds the token sequences behind the gradient of a decoder whose blocks are gated.

    The states that enter the first block are searched (`spear.inversion.gated`), and sequences are
    read from them token after token, as `SpearText` does. Nothing proves the states. So the result
    is `exact` only if the gradient of the sequences, with their tokens as labels, is the shared one
    (`spear.text.whole_batch`): under a next-token loss. It is `approximate` at best under any other
    one. The client must not have used dropout.

    Args:
        time_limit: seconds per batch after which the search for states gives up; None for no limit.
        max_starts: starts after which it gives up.

    Raises:
        ConfigError: a setting is out of range.
    """

    layer = None
    given_labels = False

    def __init__(self, time_limit: float | None = 60.0, max_starts: float = 1e5) -> None:
        self.search = SpearGated(time_limit, max_starts)

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`.

        Raises:
            LayerError: the first block is not gated, or of an unknown kind.
            VictimError: the network takes no tokens, or is an encoder.
        """
        check_takes_tokens(network)
        model, _ = inner_model(network, {})
        _inputs(model)

    def observe(self, update: Update) -> GatedTextObservation:
        """Return the update of the first block, and the whole one for the proof.

        Raises:
            LayerError, VictimError: see `check`; or a weight of the block is frozen.
            InvalidObservation: the gradients do not fit the model.
        """
        model, gradients = language_model_of(update)
        seen = gated_block_at(model, 0).observed(gradients)
        inputs = _inputs(model)
        vocabulary = Embeddings.of(model).vocabulary
        return GatedTextObservation(seen, inputs, vocabulary, padding_of(model), update)

    def __call__(
        self,
        observation: GatedTextObservation,
        *,
        seed: int = 0,
        progress: ProgressCallback | None = None,
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`.

        `inputs` has the sequences, filled up with padding, and `states` the hidden states.
        `details` are those of `SpearText`.

        Raises:
            InvalidObservation: the gradients of the block are of full rank, or their ranks differ.
        """
        (length,) = observation.update.domain.shape
        budget = Budget(None, progress)
        if observation.update.is_zero:
            return Reconstruction.empty(0, length, Status.ZERO_GRADIENT, budget.spent)
        found = self.search(observation.block, seed=seed, progress=budget.report)
        states = found.inputs[: found.n_directions].cpu()
        read, unexplained = read_sequences(
            observation.inputs, states, observation.vocabulary, length
        )
        unexplained += found.missing
        read = sorted(read, key=lambda each: not each.certified)
        tokens, comparison = with_repeats(
            observation.update, [each.tokens for each in read], observation.inputs
        )
        details = {
            "certified": float(sum(each.certified for each in read)),
            "states": float(len(states)),
            "unexplained": float(unexplained),
            "starts": found.details["starts"],
        }
        status = _status(found.status, read, unexplained)
        if comparison is not None:
            details["residual"] = comparison.difference
            if comparison.of_tokens and comparison.same:
                status = Status.EXACT
        rows = as_rows(tokens, length, observation.padding)
        return replace(Reconstruction.estimate(rows, budget.spent, status, details), states=states)


def _inputs(model: nn.Module) -> BlockInputs:
    """Inputs of the first block of a decoder, by a copy of the model."""
    embeddings = Embeddings.of(model)
    inputs = BlockInputs(embeddings.model.network, gated_block_at(model, 0).name)
    if looks_ahead(inputs, embeddings.vocabulary):
        raise VictimError(
            f"the network, a {type(model).__name__}, is an encoder with gated blocks; expected a "
            "decoder: take its hidden states by attack=spear_gated."
        )
    return inputs


def _status(states: Status, read: list[TokenSequence], unexplained: int) -> Status:
    """End of the search for states; if all are there, whether sequences explain them."""
    if states is not Status.APPROXIMATE:
        return states
    whole = all(each.certified for each in read) and not unexplained
    return states if whole else Status.PARTIAL
