"""Sentences as inputs of a network: rows of tokens, filled up to one length."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from spear.data.base import Batch, Dataset, check_choice
from spear.data.tokenizers import Tokenizer, padded, tokenizer_of
from spear.domain import Domain
from spear.errors import ConfigError
from spear.settings import check_least

IGNORED = -100
"""Label of a position that enters no loss, as PyTorch's cross-entropy has it."""

MASKED_SHARE = 0.15
"""Share of a sentence's tokens that masked language modelling hides (BERT)."""


class Objective(StrEnum):
    """Prediction that a network of text is trained for."""

    CLASSIFICATION = "classification"
    """The class of a sentence."""
    NEXT_TOKEN = "next_token"
    """Each token from those before it."""
    MASKED = "masked"
    """Hidden tokens from all others."""


@dataclass(frozen=True)
class TextDomain(Domain):
    """Domain of inputs that are sequences of tokens, known to the server, which chose them.

    Attributes:
        tokenizer: turns texts into tokens and back; it has the vocabulary and the padding.
    """

    tokenizer: Tokenizer

    def to(self, device: torch.device | str) -> "TextDomain":
        """Implement `Domain`."""
        lower, upper = self.lower.to(device), self.upper.to(device)
        return TextDomain(self.shape, lower, upper, self.tokenizer)

    @property
    def length(self) -> int:
        """Tokens of a sequence, padding included."""
        return self.shape[0]

    def texts(self, sequences: Tensor) -> list[str]:
        """Return the text of each row of tokens (b x length)."""
        return [self.tokenizer.decode([int(i) for i in row]) for row in sequences.tolist()]


class TextDataset(Dataset):
    """Base of data sets of sentences; their inputs are tokens (int64), filled up with padding.

    Args:
        sentences: one an example.
        classes: class of each, from 0.
        tokenizer: "words", "minilm", or a folder of `transformers`.
        objective: labels of a batch: the class of a sentence ("classification"), the token behind
            each one ("next_token"), or the hidden tokens ("masked").
        length: tokens of a sequence at most, its beginning and end included; the rest is cut off.

    Raises:
        ConfigError: a setting is out of range, or the tokenizer is not there.
    """

    is_image = False
    normalize = False
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __init__(
        self,
        sentences: Sequence[str],
        classes: Sequence[int],
        tokenizer: str,
        objective: str,
        length: int,
    ) -> None:
        check_choice("objective", objective, tuple(Objective))
        check_least(4, length=length)
        self.tokenizer = tokenizer_of(tokenizer)
        self.objective = Objective(objective)
        self.sentences = tuple(sentences)
        self.input_shape = (length,)
        self.n_classes = max(classes) + 1
        self._classes = list(classes)
        if self.objective is Objective.MASKED and self.tokenizer.mask is None:
            raise ConfigError(
                "objective is 'masked', but the tokenizer has no token that hides another; choose "
                "next_token or classification, or another tokenizer."
            )

    def __len__(self) -> int:
        return len(self.sentences)

    def example(self, index: int) -> tuple[Tensor, int]:
        """Return a sentence's tokens (length, int64) and its class."""
        (length,) = self.input_shape
        tokens = self.tokenizer.encode(self.sentences[index], length)
        return padded([tokens], length, self.tokenizer.padding)[0], self._classes[index]

    def labels(self) -> Tensor:
        """Return the class of each sentence, whatever the objective."""
        return torch.tensor(self._classes)

    def collected(self, indices: Sequence[int]) -> Batch:
        """Implement `Dataset`; labels are those of the objective (b, or b x length).

        Positions without a label have `IGNORED`. The tokens that are hidden of a sentence are
        always the same.
        """
        examples = [self.example(i) for i in indices]
        tokens = torch.stack([x for x, _ in examples])
        if self.objective is Objective.CLASSIFICATION:
            return Batch(tokens, torch.tensor([y for _, y in examples]))
        if self.objective is Objective.NEXT_TOKEN:
            return Batch(tokens, next_tokens(tokens, self.tokenizer.padding))
        hidden = torch.stack([self._hidden(i, row) for i, row in zip(indices, tokens, strict=True)])
        assert self.tokenizer.mask is not None  # checked when it was made
        return Batch(tokens.where(~hidden, self.tokenizer.mask), tokens.where(hidden, IGNORED))

    def normalized(self, inputs: Tensor) -> Tensor:
        """Return the tokens themselves."""
        return inputs

    def denormalized(self, inputs: Tensor) -> Tensor:
        """Return the tokens themselves (b x length)."""
        return inputs.reshape(-1, *self.input_shape)

    @property
    def domain(self) -> TextDomain:
        """Implement `Dataset`."""
        lower, upper = torch.tensor(0.0), torch.tensor(float(len(self.tokenizer) - 1))
        return TextDomain(self.input_shape, lower, upper, self.tokenizer)

    def _hidden(self, index: int, tokens: Tensor) -> Tensor:
        """Mask of the tokens of a sentence that are hidden, neither its first nor its last."""
        inner = torch.nonzero(tokens != self.tokenizer.padding).flatten()[1:-1]
        count = min(len(inner), max(1, round(MASKED_SHARE * len(inner))))
        order = torch.randperm(len(inner), generator=torch.Generator().manual_seed(index))
        hidden = torch.zeros_like(tokens, dtype=torch.bool)
        hidden[inner[order[:count]]] = True
        return hidden


def next_tokens(tokens: Tensor, padding: int) -> Tensor:
    """Return the label of each position, the token after it, or `IGNORED` before padding.

    Args:
        tokens: b x length; the labels have the same shape.
        padding: the token that fills up sequences.
    """
    labels = torch.full_like(tokens, IGNORED)
    following = tokens[:, 1:]
    labels[:, :-1] = following.where(following != padding, IGNORED)
    return labels
