"""An attack, a metric, a data set and an activation of your own, for spear."""

from own_attack.activation import SquaredReLU
from own_attack.attack import SingleInput
from own_attack.dataset import Stripes
from own_attack.metric import LargestError

__all__ = ["LargestError", "SingleInput", "SquaredReLU", "Stripes"]
