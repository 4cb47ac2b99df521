"""Gated feed-forward blocks (SwiGLU, GEGLU) without biases: their inputs from three gradients.

The modules follow the mathematics bottom up: `problem` (the gradients in factors), `forward` (the
consistency of activations and the gradient of the layer back), `search` (descents, and what is
found is taken out), `attack`, and `block`, which attacks a model. `spear.transformer.gated` finds
the blocks of `transformers`.
"""

from spear.inversion.gated.attack import SpearGated
from spear.inversion.gated.block import SpearGatedBlock
from spear.transformer import GatedLayers, gated_layers

__all__ = ["GatedLayers", "SpearGated", "SpearGatedBlock", "gated_layers"]
