"""Language models of `transformers` as networks of tokens: padded sequences in, scores out."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from spear.errors import VictimError
from spear.naming import unwrapped

PREFIX = "model."
"""What the names of a language model's parameters begin with in the network around it."""


class LanguageModel(nn.Module):
    """A model of `transformers` that takes sequences filled up with padding (b x T, int64).

    It returns scores of classes (b x K), or of tokens at each position (b x V x T): the form that
    PyTorch's cross-entropy takes. Padding is attended to by no position.

    Dropout, in training mode, is drawn from the seed and the batch alone. So a batch has the same
    gradient whenever it is computed.

    Args:
        model: with a head for classes or tokens.
        padding: token that fills a sequence up.
        seed: of dropout.
    """

    def __init__(self, model: nn.Module, padding: int, seed: int = 0) -> None:
        super().__init__()
        self.model = model
        self.padding = padding
        self.seed = seed

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the scores for tokens (b x T)."""
        mask = (tokens != self.padding).long()
        if not self.training:
            return self._scores(tokens, mask)
        devices = [tokens.device] if tokens.is_cuda else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(self.seed + int((tokens.flatten().cpu() ** 2).sum()))
            return self._scores(tokens, mask)

    def _scores(self, tokens: Tensor, mask: Tensor) -> Tensor:
        outputs: Any = self.model(input_ids=tokens, attention_mask=mask)
        scores: Tensor = outputs.logits
        return scores.transpose(1, 2) if scores.ndim == 3 else scores


def check_takes_numbers(network: nn.Module) -> None:
    """Refuse a network of tokens, for attacks whose inputs are numbers.

    Raises:
        VictimError: the network takes tokens.
    """
    if isinstance(network, LanguageModel):
        raise VictimError(
            f"the network, a {type(network.model).__name__}, takes tokens, but the attack searches "
            "for inputs that are numbers; choose attack=spear_text, dager or spear_block."
        )


def inner_model(
    network: nn.Module, gradients: Mapping[str, Tensor]
) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return the model of `transformers` in a network, and the gradients by its own names.

    A network that is no `LanguageModel` is returned as it is, without the wrappers around it.
    """
    network = unwrapped(network)
    if not isinstance(network, LanguageModel):
        return network, dict(gradients)
    return network.model, {name.removeprefix(PREFIX): each for name, each in gradients.items()}
