"""The transposed problem: the inputs are sparse, by descent or by sampling."""

from spear.inversion.inputs.attack import SpearInput
from spear.inversion.inputs.descent import Descent
from spear.inversion.inputs.sampling import Sampling
from spear.inversion.inputs.search import Drawn, InputSearch

__all__ = ["Descent", "Drawn", "InputSearch", "Sampling", "SpearInput"]
