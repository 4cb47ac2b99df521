"""The image behind a vision transformer's gradient, from that of its positional embedding."""

import time
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from spear.attack import ProgressCallback
from spear.domain import Domain
from spear.errors import InvalidObservation, VictimError
from spear.reconstruction import Reconstruction, Status
from spear.update import Update
from spear.whole_update import WholeUpdateAttack

POSITIONS = "encoder.pos_embedding"
PROJECTION = "conv_proj.weight"
"""Parameters of torchvision's vision transformer whose gradients are read."""


class April(WholeUpdateAttack):
    """Solves a linear system for the patches of a single image (Lu et al., CVPR 2022, Section 3).

    A learnt positional embedding is added to the tokens, so that its gradient is dL/dx of each, if
    there is one image. The next layer that is linear in the tokens then gives them away: the paper
    has the attention's, in a transformer whose attention receives the tokens themselves. In
    torchvision's, as in the original ViT, a layer norm stands between. There the projection of the
    patches is the layer: its gradient is the sum of (dL/dx) patch^T. The system is solved by least
    squares.

    Of several images the gradients are sums, and one image is returned that none of them is.
    `details` has the relative residual of the system: rounding for one image, and more otherwise.
    """

    given_labels = False

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`.

        Raises:
            VictimError: the network is no vision transformer of torchvision with one convolution
                that cuts patches, or its outputs depend on chance.
        """
        from torchvision.models import VisionTransformer  # takes seconds

        super().check(network, domain)
        if not isinstance(network, VisionTransformer):
            raise VictimError(
                f"the network is a {type(network).__name__}; expected a torchvision.models."
                "VisionTransformer or a class made from it, which has a learnt positional "
                "embedding: choose network=vit."
            )
        projection = network.conv_proj
        if not isinstance(projection, nn.Conv2d) or projection.stride != projection.kernel_size:
            raise VictimError(
                f"the network's conv_proj is a {type(projection).__name__}; expected one "
                "convolution whose stride is its kernel's size, so that patches lie side by side."
            )

    def __call__(
        self, observation: Update, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`.

        Raises:
            InvalidObservation: the gradient of the positional embedding or of the projection of
                the patches is missing.
        """
        began = time.perf_counter()
        positions = _gradient(observation, POSITIONS)[0, 1:]  # without the class token
        projection = _gradient(observation, PROJECTION).flatten(1)
        shape = observation.domain.shape
        if not positions.any() or not projection.any():
            return Reconstruction.empty(0, prod(shape), Status.ZERO_GRADIENT)
        patches = torch.linalg.lstsq(positions.T, projection, driver="gelsd").solution
        rest = torch.linalg.vector_norm(positions.T @ patches - projection)
        residual = float(rest / torch.linalg.vector_norm(projection))
        network: Any = observation.network
        side = network.conv_proj.kernel_size
        image = nn.functional.fold(patches.T[None], tuple(shape[1:]), side, stride=side)
        seconds = time.perf_counter() - began
        return Reconstruction.estimate(image.flatten(1), seconds, details={"residual": residual})


def _gradient(update: Update, name: str) -> Tensor:
    if name not in update.gradients:
        raise InvalidObservation(
            f"{name} has no gradient, as it is frozen or not shared; expected that of the "
            "positional embedding and of the projection of patches, which the closed form needs."
        )
    return update.gradients[name].detach().double().cpu()
