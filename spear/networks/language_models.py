"""BERT-, GPT-2-, OPT- and Llama-like networks at random initialisation, or after some training."""

from collections.abc import Sequence

from spear.data.base import check_choice
from spear.data.text import Objective
from spear.data.tokenizers import WORDS
from spear.networks.language_settings import LanguageSettings, Size
from spear.transformer.language_model import LanguageModel
from spear.transformer.library import library

ENCODERS = (Objective.CLASSIFICATION, Objective.MASKED)
DECODERS = (Objective.NEXT_TOKEN, Objective.CLASSIFICATION)
"""Objectives of models that see all tokens, and of those that see what comes before."""

GATES = {"silu": "silu", "gelu": "gelu_pytorch_tanh"}
"""Activation of a gate -> its name in `transformers`: SwiGLU and GEGLU."""


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
    size = Size(width, depth, heads)
    given = LanguageSettings(
        size, input_shape, n_classes, objective, tokenizer, spread, steps, training, seed
    )
    given.check(ENCODERS)
    config = library().BertConfig(
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=input_shape[0],
        initializer_range=spread,
        **given.of_encoder(),
    )
    return given.made(config)


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
    size = Size(width, depth, heads)
    given = LanguageSettings(
        size, input_shape, n_classes, objective, tokenizer, spread, steps, training, seed
    )
    given.check(DECODERS)
    config = library().GPT2Config(
        n_embd=width,
        n_layer=depth,
        n_head=heads,
        n_positions=input_shape[0],
        initializer_range=spread,
        **given.of_decoder(),
    )
    return given.made(config)


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
    size = Size(width, depth, heads)
    given = LanguageSettings(
        size, input_shape, n_classes, objective, tokenizer, spread, steps, training, seed
    )
    given.check(DECODERS)
    config = library().OPTConfig(
        hidden_size=width,
        word_embed_proj_dim=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        ffn_dim=4 * width,
        max_position_embeddings=input_shape[0],
        init_std=spread,
        **given.of_decoder(),
    )
    return given.made(config)


def llama(
    input_shape: Sequence[int],
    n_classes: int,
    width: int = 128,
    depth: int = 2,
    heads: int = 4,
    objective: str = "next_token",
    tokenizer: str = WORDS,
    spread: float = 0.05,
    steps: int = 0,
    training: bool = False,
    seed: int = 0,
    gate: str = "silu",
) -> LanguageModel:
    """Return a decoder with the architecture of Llama, whose blocks are gated and without biases.

    The blocks have 8 d / 3 neurons, as Llama's do. Its other arguments are those of `gpt2`.

    Args:
        gate: activation of the gate, "silu" (SwiGLU) or "gelu" (GEGLU).

    Raises:
        ConfigError: see `bert`; or there is no such gate.
    """
    check_choice("gate", gate, tuple(GATES))
    size = Size(width, depth, heads)
    given = LanguageSettings(
        size, input_shape, n_classes, objective, tokenizer, spread, steps, training, seed
    )
    given.check(DECODERS)
    config = library().LlamaConfig(
        hidden_size=width,
        intermediate_size=round(8 * width / 3),
        num_hidden_layers=depth,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=input_shape[0],
        initializer_range=spread,
        hidden_act=GATES[gate],
        **given.of_decoder(),
    )
    return given.made(config)
