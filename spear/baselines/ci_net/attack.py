"""CI-Net: gradient matching over the weights of an untrained generator of images."""

from collections.abc import Mapping

import torch
from torch import Tensor

from spear.baselines.ci_net.generator import LATENT, ImageGenerator, authors_width
from spear.baselines.gradient_matching.attack import GradientMatching
from spear.baselines.gradient_matching.candidate import Candidate
from spear.baselines.gradient_matching.labels import Labels
from spear.baselines.gradient_matching.objectives import Objective
from spear.baselines.gradient_matching.optimisers import Adam, Optimiser, Sign
from spear.baselines.gradient_matching.regularisers import Regulariser
from spear.baselines.gradient_matching.schedules import Constant
from spear.domain import Domain
from spear.errors import ConfigError, InvalidObservation


class CINet(GradientMatching):
    """Finds a generator whose images have the gradients that the client shared.

    Zhang et al., "Generative gradient inversion via over-parameterized networks" (ICCV 2023), which
    the paper compares with (Table 1). The generator's structure is the only prior: it is fresh for
    each batch, and so are its fixed noise and its weights, which Adam moves by the signs of their
    gradients. A value v in (-1, 1) of the generator is the pixel v of the range [0, 1] in which
    images are, as in the authors' code, and is then normalised where the network sees normalised
    inputs. Images of the lowest objective are returned; the authors report those that score best
    against the truth. To tell objectives apart, gradients are compared in float64: behind six
    Sigmoid layers the inputs change the cosine by about 1e-7, which float32 rounds off.

    Args:
        width: feature maps of the generator (`ImageGenerator`); None for the authors' rule, by
            which it has more parameters than the batch has pixels (`authors_width`).
        objective, labels, iterations, restarts, time_limit, device: as of `GradientMatching`.
        regularisers: further terms of the objective by name; none unless given.
        optimiser: how the weights move; the authors' unless given.

    Raises:
        ConfigError: a setting is out of range.
    """

    precision = torch.float64

    def __init__(
        self,
        width: int | None = None,
        objective: Objective | None = None,
        regularisers: Mapping[str, Regulariser] | None = None,
        labels: Labels | None = None,
        optimiser: Optimiser | None = None,
        iterations: int = 2000,
        restarts: int = 1,
        time_limit: float | None = None,
        device: str = "cpu",
    ) -> None:
        if width is not None and (width < 4 or width % 4):
            raise ConfigError(
                f"width is {width}; expected a multiple of 4, or null for the authors' rule."
            )
        super().__init__(
            objective=objective,
            regularisers=regularisers or {},
            labels=labels,
            optimiser=optimiser or Adam(1e-3, Constant(), Sign()),
            box=False,
            iterations=iterations,
            restarts=restarts,
            time_limit=time_limit,
            device=device,
        )
        self.width = width

    def check_domain(self, domain: Domain) -> None:
        """Implement `MatchingAttack.check_domain`.

        Raises:
            InvalidObservation: inputs are not images, or their range is not known.
        """
        if len(domain.shape) != 3:
            raise InvalidObservation(
                f"the network's inputs have shape {domain.shape}, but CI-Net generates images of "
                "shape C x H x W; choose another attack, such as GradientMatching (attack=geiping)."
            )
        if not (domain.lower.isfinite().all() and domain.upper.isfinite().all()):
            raise InvalidObservation(
                "the domain of the network's inputs has no bounds, but CI-Net generates images "
                "within some; give Domain(shape, lower, upper), what black and white are to the "
                "network."
            )
        super().check_domain(domain)

    def _candidate(
        self, b: int, domain: Domain, like: Tensor, generator: torch.Generator
    ) -> Candidate:
        """A fresh generator and its noise."""
        _, height, width = domain.shape
        maps = authors_width(b, height, width) if self.width is None else self.width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**63 - 1, (1,), generator=generator)))
            network = ImageGenerator(maps, domain.shape).to(like.device)
        noise = torch.randn(b, LATENT, generator=generator).to(like.device)
        span = domain.upper - domain.lower
        return Candidate(
            None,
            list(network.parameters()),
            lambda: (domain.lower + network(noise) * span).to(like),
        )
