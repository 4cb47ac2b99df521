"""Elementwise activations with their derivatives, for attacks that invert them."""

from spear.activations.elementwise import Elementwise, Pieces
from spear.activations.exponential import CELU, ELU, SELU, Softplus
from spear.activations.named import elementwise
from spear.activations.piecewise import Hardtanh, LeakyReLU, PReLU, ReLU, ReLU6
from spear.activations.smooth import GELU, Hardswish, Mish, Sigmoid, SiLU, Tanh

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "Elementwise",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "Mish",
    "PReLU",
    "Pieces",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
    "elementwise",
]
