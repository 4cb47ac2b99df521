"""Settings that all untrained language models have, and the making of a model from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from spear.data.base import check_choice
from spear.data.text import Objective
from spear.data.tokenizers import Tokenizer, tokenizer_of
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
class LanguageSettings:
    """Settings of a network; see `spear.networks.bert`."""

    input_shape: Sequence[int]
    n_classes: int
    width: int
    depth: int
    heads: int
    objective: str
    tokenizer: str
    spread: float
    steps: int
    training: bool
    seed: int

    def checked(self, allowed: Sequence[Objective]) -> Tokenizer:
        """Return the tokenizer of a model with one of these objectives.

        Raises:
            ConfigError: a setting is out of range.
        """
        check_least(1, width=self.width, depth=self.depth, heads=self.heads)
        check_above_zero(spread=self.spread)
        check_choice("objective", self.objective, allowed)
        if self.width % self.heads:
            raise ConfigError(
                f"heads is {self.heads}; expected a number that divides the width, {self.width}."
            )
        if len(self.input_shape) != 1:
            raise ConfigError(
                "the network takes tokens, but inputs of the data set have shape "
                f"{tuple(self.input_shape)}; choose dataset=sentences or text_file."
            )
        return tokenizer_of(self.tokenizer)

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
