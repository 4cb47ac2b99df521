"""An attack's time in units independent of the machine: one decomposition of the gradient."""

import dataclasses
from typing import Generic, TypeVar

import torch

from spear.attack import Attack, ProgressCallback
from spear.budget import Budget
from spear.observation import LayerPair, Observation
from spear.reconstruction import Reconstruction

Seen = TypeVar("Seen", bound=Observation | LayerPair)


class BesideSvd(Generic[Seen]):
    """An attack, and after it one singular value decomposition of the same gradient in float64.

    The gradient is the layer's, or that of the first layer of a pair. The reconstruction's details
    get `svd_seconds` (`torch.linalg.svd`, reduced, as Algorithm 1 begins with) and `svd_ratio`, the
    attack's seconds divided by it.

    Args:
        attack: the attack to time.
    """

    def __init__(self, attack: Attack[Seen]) -> None:
        self.attack = attack
        self.layer = attack.layer
        self.given_labels = attack.given_labels
        self.check = attack.check
        self.observe = attack.observe

    def __call__(
        self, observation: Seen, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`."""
        found = self.attack(observation, seed=seed, progress=progress)
        layer = observation.first if isinstance(observation, LayerPair) else observation
        gradient = layer.weight_gradient.to(torch.float64)
        svd = Budget()
        torch.linalg.svd(gradient, full_matrices=False)
        if gradient.is_cuda:
            torch.cuda.synchronize(gradient.device)
        seconds = svd.spent
        ratio = {"svd_seconds": seconds, "svd_ratio": found.seconds / seconds}
        return dataclasses.replace(found, details={**found.details, **ratio})
