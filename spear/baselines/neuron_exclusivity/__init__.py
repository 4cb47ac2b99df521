"""Neuron exclusivity: inputs that some neuron of a layer has to itself, in closed form.

Pan et al., "Exploring the Security Boundary of Data Reconstruction via Neuron Exclusivity
Analysis" (USENIX Security 2022, arXiv 2010.13356).
"""

from spear.baselines.neuron_exclusivity.attack import NeuronExclusivity
from spear.baselines.neuron_exclusivity.ratios import exclusive_inputs, ratios

__all__ = ["NeuronExclusivity", "exclusive_inputs", "ratios"]
