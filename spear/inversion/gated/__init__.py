"""Gated feed-forward blocks (SwiGLU, GEGLU) without biases: their inputs from three gradients.

The modules follow the mathematics bottom up: `problem` (the gradients in factors), `forward` (the
consistency of activations and the gradient of the layer back), `search` (descents, and what is
found is taken out), `model` (blocks of `transformers`) and `attack`.
"""

from spear.inversion.gated.attack import SpearGated
from spear.inversion.gated.model import gated_layers
from spear.inversion.gated.problem import GatedLayers

__all__ = ["GatedLayers", "SpearGated", "gated_layers"]
