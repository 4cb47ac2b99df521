"""Whole attacks as one call, for gradients of your own."""

from spear.api.layers import invert, invert_pair
from spear.api.networks import invert_network, match_gradients
from spear.api.transformers import invert_block, recover_images, recover_text, tokens_in_span

__all__ = [
    "invert",
    "invert_block",
    "invert_network",
    "invert_pair",
    "match_gradients",
    "recover_images",
    "recover_text",
    "tokens_in_span",
]
