"""The common part of attacks that search a generator's images for the shared gradient."""

from collections.abc import Mapping

import torch
from torch import Tensor

from spear.baselines.generative.generator import Generator, Prior, parts
from spear.baselines.gradient_matching.labelled_attack import LabelledAttack
from spear.baselines.gradient_matching.labelled_problem import LabelledProblem
from spear.baselines.gradient_matching.labels import Labels
from spear.baselines.gradient_matching.objectives import Objective
from spear.baselines.gradient_matching.regularisers import Regulariser
from spear.domain import Domain
from spear.update import Update

MODELS = "network and of the generator"
"""Models that the objective of a generated image depends on, for messages."""


class GenerativeAttack(LabelledAttack):
    """Base of the attacks with a generator, which differ in what they search and how.

    Args:
        generator: `spear.baselines.generative.generator.Generator`.
        objective, regularisers, labels, time_limit, device: see `LabelledAttack`.

    Raises:
        ConfigError: a setting is out of range, or `generator` is not a `Generator`.
    """

    def __init__(
        self,
        generator: Generator,
        objective: Objective,
        regularisers: Mapping[str, Regulariser],
        labels: Labels | None,
        time_limit: float | None,
        device: str,
    ) -> None:
        super().__init__(objective, regularisers, labels, time_limit, device)
        parts(generator)
        self.generator = generator

    def check_domain(self, domain: Domain) -> None:
        """Implement `MatchingAttack.check_domain`.

        Raises:
            InvalidObservation: the generator's images are not shaped like the network's inputs,
                whose range must be known.
            ConfigError: the generator cannot be run.
        """
        Prior(self.generator, domain, domain.lower)


class GeneratedProblem(LabelledProblem):
    """Maps images of a generator to the objective of one update.

    Args:
        attack: its settings.
        update: a copy for this problem alone (`Update.copied`).
        seed: of labels and latents.

    Raises:
        VictimError: the network does not take the domain's shape.
        InvalidObservation: the generator's images are not shaped like the network's inputs, whose
            range must be known; or labels or another part is missing.
        ConfigError: the generator cannot be run.

    Attributes:
        prior: the generator as a map into the network's inputs.
    """

    def __init__(self, attack: GenerativeAttack, update: Update, seed: int) -> None:
        super().__init__(update, attack.objective, attack.regularisers, attack.labels, seed)
        self.prior = Prior(attack.generator, update.domain, self.like)

    def latents(self) -> Tensor:
        """Begin a restart: labels, and standard normal latents (b x latent_shape)."""
        b = self.restart().b
        latents = torch.randn(b, *self.prior.latent_shape, generator=self.random)
        return latents.to(self.like)

    def check_at(self, latents: Tensor) -> None:
        """Refuse a network that cannot be differentiated twice at the images of latents.

        Raises:
            VictimError: naming its module.
        """
        self.check_derivatives(self.prior.inputs(0, latents))
