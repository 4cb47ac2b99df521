"""Models of Hugging Face's `transformers`: their feed-forward blocks, and runs up to one of them.

Each block is a layer pair whose inputs are the hidden states of all token positions.
"""

from spear.transformer.block_inputs import BlockInputs
from spear.transformer.blocks import Block, block_at, feed_forward_blocks
from spear.transformer.gated import GatedBlock, GatedLayers, gated_block_at, gated_layers
from spear.transformer.language_model import (
    LanguageModel,
    check_takes_numbers,
    inner_model,
)
from spear.transformer.shared import AnyBlock
from spear.transformer.standard import Standard, standard

__all__ = [
    "AnyBlock",
    "Block",
    "BlockInputs",
    "GatedBlock",
    "GatedLayers",
    "LanguageModel",
    "Standard",
    "block_at",
    "check_takes_numbers",
    "feed_forward_blocks",
    "gated_block_at",
    "gated_layers",
    "inner_model",
    "standard",
]
