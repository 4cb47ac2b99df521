"""Check that a network takes what a data set gives: numbers or tokens."""

from torch import nn

from spear.data.text import TextDomain
from spear.domain import Domain
from spear.errors import ConfigError
from spear.transformer.language_model import LanguageModel


def check_takes(network: nn.Module, domain: Domain, dataset: str) -> None:
    """Refuse tokens for a network of numbers, and numbers for a network of tokens.

    Args:
        network: the client's.
        domain: of the data set.
        dataset: its name.

    Raises:
        ConfigError: they do not fit.
    """
    text = isinstance(domain, TextDomain)
    if text and not isinstance(network, LanguageModel):
        raise ConfigError(
            f"data set {dataset!r} has sentences, but the network, a {type(network).__name__}, "
            "takes numbers; choose network=bert, gpt2, opt, llama or minilm."
        )
    if not text and isinstance(network, LanguageModel):
        raise ConfigError(
            f"the network, a {type(network.model).__name__}, takes tokens, but data set "
            f"{dataset!r} has none; choose dataset=sentences or text_file."
        )
