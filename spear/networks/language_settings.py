"""Settings that all untrained language models have, and the making of a model from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from spear.data.base import check_choice
from spear.data.text import Objective
from spear.data.tokenizers import tokenizer_of
from spear.errors import ConfigError
from spear.networks.language_training import trained
from spear.settings import check_above_zero, check_least
from spear.transformer.language_model import LanguageModel
from spear.transformer.library import library

HEADS = {
    Objective.CLASSIFICATION: "AutoModelForSequenceClassification",
    Objective.NEXT_TOKEN: "AutoModelForCausalLM",
    Objective.MASKED: "AutoModelForMaskedLM",
}
"""Class of `transformers` that has the head of an objective."""


@dataclass(frozen=True)
class Size:
    """Size of a model; see `spear.networks.bert`."""

    width: int
    depth: int
    heads: int


@dataclass(frozen=True)
class LanguageSettings:
    """Settings of a network; see `spear.networks.bert`."""

    size: Size
    input_shape: Sequence[int]
    n_classes: int
    objective: str
    tokenizer: str
    spread: float
    steps: int
    training: bool
    seed: int

    def check(self, allowed: Sequence[Objective]) -> None:
        """Refuse settings out of range, and objectives that the model does not have.

        Raises:
            ConfigError: a setting is out of range, or the tokenizer is not there.
        """
        size = self.size
        check_least(1, width=size.width, depth=size.depth, heads=size.heads)
        check_above_zero(spread=self.spread)
        check_choice("objective", self.objective, allowed)
        if size.width % size.heads:
            raise ConfigError(
                f"heads is {size.heads}; expected a number that divides the width, {size.width}."
            )
        if len(self.input_shape) != 1:
            raise ConfigError(
                "the network takes tokens, but inputs of the data set have shape "
                f"{tuple(self.input_shape)}; choose dataset=sentences or text_file."
            )
        tokenizer_of(self.tokenizer)

    def of_encoder(self) -> dict[str, int]:
        """Return what configurations of all models have of the vocabulary and the classes."""
        words = tokenizer_of(self.tokenizer)
        return {
            "vocab_size": len(words),
            "pad_token_id": words.padding,
            "num_labels": self.n_classes,
        }

    def of_decoder(self) -> dict[str, int]:
        """Return the same of decoders, whose sequences begin and end with tokens of their own."""
        words = tokenizer_of(self.tokenizer)
        return self.of_encoder() | {"bos_token_id": words.begin, "eos_token_id": words.end}

    def made(self, config: Any) -> LanguageModel:
        """Return the model of a configuration of `transformers`.

        Its weights are drawn from the seed alone, and then trained.

        Raises:
            ConfigError: it cannot be trained; see `spear.networks.language_training`.
        """
        maker = getattr(library(), HEADS[Objective(self.objective)])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = maker.from_config(config)
        padding = tokenizer_of(self.tokenizer).padding
        network = LanguageModel(model, padding, self.seed).train(self.training)
        (length,) = self.input_shape
        return trained(
            network,
            length,
            self.n_classes,
            self.objective,
            self.tokenizer,
            self.steps,
            self.seed,
        )
