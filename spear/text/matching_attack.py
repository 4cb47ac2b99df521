"""Gradient matching on text: descents on word embeddings, and the nearest words at their end.

So do DLG (Zhu et al., NeurIPS 2019) and TAG (Deng et al., EMNLP Findings 2021) attack language
models. What LAMP (Balunovic et al., NeurIPS 2022) adds is left out: a prior by a second language
model, and reordering of tokens.
"""

from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor, nn

from spear.attack import ProgressCallback
from spear.baselines.gradient_matching import Adam, GradientMatching, Objective, Optimiser
from spear.budget import Budget
from spear.data.text import TextDomain
from spear.domain import Domain
from spear.errors import InvalidObservation
from spear.reconstruction import Reconstruction, Status
from spear.text.certificate import Tokens
from spear.text.embedded import check_scores_classes, embedded
from spear.text.lengths import sequence_lengths
from spear.text.observation import as_rows, padding_of
from spear.text.victim import check_takes_tokens, language_model_of
from spear.text.words import RandomWords, nearest_words, words_of
from spear.update import Update
from spear.whole_update import check_modes


@dataclass(frozen=True)
class MatchingObservation:
    """A language model's update, and what is known of its batch.

    Attributes:
        update: of the model, with the labels.
        words: embedding of each token (V x d).
        lengths: tokens of each sequence, in no known order.
        length, padding: of a sequence as the network receives it.
    """

    update: Update
    words: Tensor
    lengths: tuple[int, ...]
    length: int
    padding: int


class TextMatching:
    """Descends from random words to embeddings with the same gradient: an estimate, never a proof.

    The classes of all sequences are given. Their lengths are the positions of ends in the span of
    the first attention's gradient (`spear.text.lengths`); which class has which length is not
    known, so that each restart turns the lengths by one. At the end, each embedding becomes the
    word nearest to it. The client must not have used dropout.

    Args:
        objective: distance of gradients; `CosineDistance` unless given.
        optimiser: how embeddings move; `Adam` with a rate of 0.05 unless given.
        iterations: of each restart.
        restarts: how many; the one with the lowest objective is returned.
        time_limit: seconds per batch after which the best so far is returned; None for no limit.
            Each restart has an equal part.
        device: where to compute, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
    """

    layer = None
    given_labels = True

    def __init__(
        self,
        objective: Objective | None = None,
        optimiser: Optimiser | None = None,
        iterations: int = 500,
        restarts: int = 1,
        time_limit: float | None = None,
        device: str = "cpu",
    ) -> None:
        self._matching = partial(
            GradientMatching,
            objective,
            regularisers={},
            optimiser=optimiser or Adam(learning_rate=0.05),
            iterations=iterations,
            device=device,
        )
        self._matching(restarts=restarts, time_limit=time_limit)  # refuses what is out of range
        self.restarts = restarts
        self.time_limit = time_limit

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`.

        Raises:
            VictimError: the network takes no tokens, scores tokens, or uses dropout.
        """
        check_takes_tokens(network)
        check_modes(network)
        check_scores_classes(network, domain.shape[0])

    def observe(self, update: Update) -> MatchingObservation:
        """Return the update of all parameters but the word embeddings.

        Raises:
            InvalidObservation: the labels are not given, or a gradient is not finite.
            VictimError: see `check`.
        """
        model, gradients = language_model_of(update)
        self.check(update.network, update.domain)
        if update.labels is None:
            raise InvalidObservation(
                "the labels are not known, but this attack is given them; pass b class indices by "
                "Update.with_labels."
            )
        b, (longest,) = len(update.labels), update.domain.shape
        lengths = (longest,) * b
        if isinstance(update.domain, TextDomain):
            end = update.domain.tokenizer.end
            lengths = sequence_lengths(model, gradients, b, longest, end)
        words = words_of(model).detach()
        return MatchingObservation(update, words, lengths, longest, padding_of(model))

    def __call__(
        self,
        observation: MatchingObservation,
        *,
        seed: int = 0,
        progress: ProgressCallback | None = None,
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`.

        `details` has the lowest objective, the distance of gradients in it, and the iterations of
        the restart that has it.

        Raises:
            InvalidObservation, VictimError: see `GradientMatching`.
        """
        budget = Budget(self.time_limit, progress)
        seen = observation
        if seen.update.is_zero:
            return Reconstruction.empty(0, seen.length, Status.ZERO_GRADIENT, budget.spent)
        found = [
            self._restart(seen, number, seed, budget.share(self.restarts - number))
            for number in range(self.restarts)
        ]
        best, tokens = min(found, key=lambda each: each[0].details["objective"])
        rows = as_rows(tokens, seen.length, seen.padding)
        return replace(best, inputs=rows, seconds=budget.spent)

    def _restart(
        self, seen: MatchingObservation, number: int, seed: int, budget: Budget
    ) -> tuple[Reconstruction, list[Tokens]]:
        """Descend once, with the lengths turned by `number`."""
        turn = number % len(seen.lengths)
        lengths = seen.lengths[turn:] + seen.lengths[:turn]
        update = embedded(seen.update, lengths)
        matching = self._matching(initialisation=RandomWords(seen.words), time_limit=budget.limit)
        found = matching(update, seed=seed + number, progress=budget.report)
        points = found.inputs.reshape(len(lengths), *update.domain.shape)
        return found, nearest_words(points, seen.words, lengths)
