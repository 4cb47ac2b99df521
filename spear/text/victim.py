"""Language models inside an update, for the attacks on text."""

from typing import Any

from torch import Tensor, nn

from spear.errors import VictimError
from spear.transformer.language_model import inner_model
from spear.update import Update, check_update


def takes_tokens(model: nn.Module) -> bool:
    """Tell whether a model is a language model of `transformers`."""
    config: Any = getattr(model, "config", None)
    return hasattr(config, "vocab_size") and getattr(model, "main_input_name", "") == "input_ids"


def check_takes_tokens(network: nn.Module) -> None:
    """Refuse a network that is no language model of `transformers`.

    Raises:
        VictimError: it is none.
    """
    model, _ = inner_model(network, {})
    if not takes_tokens(model):
        raise VictimError(
            f"the network, a {type(model).__name__}, takes no tokens; expected a language model of "
            "transformers: choose dataset=sentences and network=bert, gpt2, opt, llama or minilm."
        )


def language_model_of(update: Update) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return the language model of an update, and its gradients by its own names.

    Raises:
        InvalidObservation: it is no update.
        VictimError: the network is no language model of `transformers`.
    """
    check_update(update)
    check_takes_tokens(update.network)
    return inner_model(update.network, update.gradients)
