"""A language model as a network of word embeddings, for attacks that descend on them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from spear.domain import Domain
from spear.errors import VictimError
from spear.text.victim import language_model_of
from spear.text.words import words_of
from spear.transformer.language_model import PREFIX
from spear.update import Update


class EmbeddedModel(nn.Module):
    """A model of `transformers` that takes the word embeddings of sequences (b x T x d).

    Row i is a sequence of `lengths[i]` tokens, and the rest of it counts for nothing. Each sequence
    is computed by itself, so that no padding is needed.

    Args:
        model: with a head for classes.
        lengths: tokens of each sequence.
    """

    def __init__(self, model: nn.Module, lengths: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        self.lengths = tuple(lengths)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the scores of classes (b x K)."""
        rows = zip(embeddings, self.lengths, strict=False)  # a probe may have fewer rows
        return torch.cat([self._scores(row[None, :length]) for row, length in rows])

    def _scores(self, embeddings: Tensor) -> Tensor:
        outputs: Any = self.model(inputs_embeds=embeddings)
        scores: Tensor = outputs.logits
        return scores


def embedded(update: Update, lengths: Sequence[int]) -> Update:
    """Return the update of a language model as one of a network of word embeddings.

    The gradient of the word embeddings themselves is left out: they are the inputs now. Inputs
    range, entry by entry, from the least to the largest of all words.

    Args:
        update: of a language model.
        lengths: tokens of each sequence of the batch.

    Raises:
        InvalidObservation: it is no update.
        VictimError: the network is no language model of `transformers`.
    """
    model, gradients = language_model_of(update)
    words = words_of(model)
    parameters = dict(model.named_parameters())
    kept = {
        PREFIX + name: each for name, each in gradients.items() if parameters[name] is not words
    }
    lower, upper = words.detach().min(dim=0).values, words.detach().max(dim=0).values
    domain = Domain((max(lengths), words.shape[1]), lower, upper)
    network = EmbeddedModel(model, lengths)
    return Update(network, kept, update.loss, domain, update.labels)


def check_scores_classes(network: nn.Module, length: int) -> None:
    """Refuse a language model that scores tokens, whose labels are the text itself.

    Args:
        network: of tokens.
        length: of a sequence as it takes them.

    Raises:
        VictimError: it scores tokens.
    """
    parameter = next(network.parameters())
    with torch.no_grad():
        tokens = torch.ones(1, length, dtype=torch.long, device=parameter.device)
        scores: Any = network(tokens)
    if getattr(scores, "logits", scores).ndim > 2:
        raise VictimError(
            "the network scores tokens, whose labels are the text itself, and the attack is given "
            "the labels; expected a loss of classes: choose network.objective=classification."
        )
