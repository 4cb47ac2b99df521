"""BERT-, GPT-2- and OPT-like networks at random initialisation, or after some training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from spear.data.base import check_choice
from spear.data.text import Objective
from spear.data.tokenizers import WORDS, Tokenizer, tokenizer_of
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

ENCODERS = (Objective.CLASSIFICATION, Objective.MASKED)
DECODERS = (Objective.NEXT_TOKEN, Objective.CLASSIFICATION)
"""Objectives of models that see all tokens, and of those that see what comes before."""


def bert(
    input_shape: Sequence[int],
    n_classes: int,
    width: int = 128,
    depth: int = 2,
    heads: int = 4,
    objective: str = "classification",
    tokenizer: str = WORDS,
    spread: float = 0.1,
    steps: int = 0,
    training: bool = False,
    seed: int = 0,
) -> LanguageModel:
    """Return an encoder with the architecture of BERT, untrained or little trained.

    Args:
        input_shape: the length of a sequence.
        n_classes: number of classes, for classification.
        width: entries of a hidden state (d); the feed-forward blocks have 4 d neurons.
        depth: number of blocks.
        heads: of the attention; they divide the width.
        objective: "classification", by the first token's state, or "masked".
        tokenizer: the data set's; it has the vocabulary.
        spread: standard deviation of the weights at initialisation. BERT's own 0.02 is for 768
            entries; much narrower models then hardly tell tokens apart.
        steps: of AdamW on the shipped sentences before the client starts
            (`spear.networks.language_training`).
        training: whether the client's dropout is on, with probability 0.1.
        seed: of the initialisation, the steps and dropout.

    Raises:
        ConfigError: a setting is out of range, or `transformers` is not installed.
    """
    words = _checked(input_shape, width, depth, heads, objective, tokenizer, spread, ENCODERS)
    config = library().BertConfig(
        vocab_size=len(words),
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=input_shape[0],
        initializer_range=spread,
        pad_token_id=words.padding,
        num_labels=n_classes,
    )
    task = _Task(input_shape[0], n_classes, objective, tokenizer)
    return _made(config, task, words, steps, training, seed)


def gpt2(
    input_shape: Sequence[int],
    n_classes: int,
    width: int = 128,
    depth: int = 2,
    heads: int = 4,
    objective: str = "next_token",
    tokenizer: str = WORDS,
    spread: float = 0.02,
    steps: int = 0,
    training: bool = False,
    seed: int = 0,
) -> LanguageModel:
    """Return a decoder with the architecture of GPT-2, untrained or little trained.

    Args:
        objective: "next_token", or "classification" by the last token's state.
        input_shape, n_classes, width, depth, heads, tokenizer, spread, steps, training, seed:
            see `bert`.

    Raises:
        ConfigError: see `bert`.
    """
    words = _checked(input_shape, width, depth, heads, objective, tokenizer, spread, DECODERS)
    config = library().GPT2Config(
        vocab_size=len(words),
        n_embd=width,
        n_layer=depth,
        n_head=heads,
        n_positions=input_shape[0],
        initializer_range=spread,
        pad_token_id=words.padding,
        bos_token_id=words.begin,
        eos_token_id=words.end,
        num_labels=n_classes,
    )
    task = _Task(input_shape[0], n_classes, objective, tokenizer)
    return _made(config, task, words, steps, training, seed)


def opt(
    input_shape: Sequence[int],
    n_classes: int,
    width: int = 128,
    depth: int = 2,
    heads: int = 4,
    objective: str = "next_token",
    tokenizer: str = WORDS,
    spread: float = 0.02,
    steps: int = 0,
    training: bool = False,
    seed: int = 0,
) -> LanguageModel:
    """Return a decoder with the architecture of OPT, whose activation is ReLU.

    Its arguments are those of `gpt2`.

    Raises:
        ConfigError: see `bert`.
    """
    words = _checked(input_shape, width, depth, heads, objective, tokenizer, spread, DECODERS)
    config = library().OPTConfig(
        vocab_size=len(words),
        hidden_size=width,
        word_embed_proj_dim=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        ffn_dim=4 * width,
        max_position_embeddings=input_shape[0],
        init_std=spread,
        pad_token_id=words.padding,
        bos_token_id=words.begin,
        eos_token_id=words.end,
        num_labels=n_classes,
    )
    task = _Task(input_shape[0], n_classes, objective, tokenizer)
    return _made(config, task, words, steps, training, seed)


def _checked(
    input_shape: Sequence[int],
    width: int,
    depth: int,
    heads: int,
    objective: str,
    tokenizer: str,
    spread: float,
    allowed: Sequence[Objective],
) -> Tokenizer:
    """Check the settings of an untrained model and return its tokenizer."""
    check_least(1, width=width, depth=depth, heads=heads)
    check_above_zero(spread=spread)
    check_choice("objective", objective, allowed)
    if width % heads:
        raise ConfigError(f"heads is {heads}; expected a number that divides the width, {width}.")
    if len(input_shape) != 1:
        raise ConfigError(
            f"the network takes tokens, but inputs of the data set have shape {tuple(input_shape)};"
            " choose dataset=sentences or text_file."
        )
    return tokenizer_of(tokenizer)


@dataclass(frozen=True)
class _Task:
    """Data of a network: the arguments of `bert` by these names, and the length of a sequence."""

    length: int
    n_classes: int
    objective: str
    tokenizer: str


def _made(
    config: Any, task: _Task, words: Tokenizer, steps: int, training: bool, seed: int
) -> LanguageModel:
    """The model of a configuration, its weights drawn from the seed alone, and then trained."""
    maker = getattr(library(), HEADS[Objective(task.objective)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = maker.from_config(config)
    network = LanguageModel(model, words.padding, seed).train(training)
    return trained(
        network, task.length, task.n_classes, task.objective, task.tokenizer, steps, seed
    )
