"""LPIPS (Zhang et al., "The Unreasonable Effectiveness of Deep Features", CVPR 2018), offline."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import lpips
import torch
from torch import Tensor

from spear.errors import CheckpointError

_log = logging.getLogger(__name__)

LpipsMetric = Callable[[Tensor, Tensor], Tensor]
"""Two stacks of pictures (b x C x H x W, values in [0, 1], C = 1 or 3) to their b distances."""

MIN_SIDE = 32
"""AlexNet's last features need a picture at least this high and wide; the paper's MNIST (28) has
NaN."""


def load_lpips(data_root: Path) -> LpipsMetric | None:
    """LPIPS v0.1 on AlexNet, or None where AlexNet's weights are absent. Never downloads.

    The linear heads come with the `lpips` package. The convolutions (a state dict with
    torchvision's keys `features.*`) are looked for in
    `data_root/weights/alexnet-features-torchvision.pth`, then among torchvision's own downloads.

    Raises:
        CheckpointError: the file found is damaged or is not AlexNet's.
    """
    places = [
        data_root / "weights" / "alexnet-features-torchvision.pth",
        Path(torch.hub.get_dir()) / "checkpoints" / "alexnet-owt-7be5be79.pth",
    ]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        _log.info(
            "LPIPS is not computed: no AlexNet weights at %s (torchvision fetches the latter: "
            "`python -c \"import torchvision as t; t.models.alexnet(weights='DEFAULT')\"`).",
            " or ".join(map(str, places)),
        )
        return None
    _log.info("LPIPS uses the AlexNet weights in %s.", found)
    network = _network(found)

    def distances(first: Tensor, second: Tensor) -> Tensor:
        with torch.no_grad():
            # `normalize` takes [0, 1] to the [-1, 1] that LPIPS works on.
            values = network(_rgb(first), _rgb(second), normalize=True)
        return values.flatten().double()

    return distances


def _rgb(pictures: Tensor) -> Tensor:
    return pictures.cpu().float().expand(-1, 3, -1, -1)


def _network(path: Path) -> Callable[..., Tensor]:
    # lpips builds a random AlexNet first; that must not move the caller's random numbers.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips calls torchvision with arguments since renamed
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    trunk = network.net
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        # torchvision's features.3.weight is slice2.3.weight here.
        trunk.load_state_dict(
            {key: weights["features." + key.partition(".")[2]] for key in trunk.state_dict()}
        )
    except Exception as error:  # torch.load names no exceptions of its own
        raise CheckpointError(
            f"{path} does not hold the convolutions of torchvision's AlexNet ({error}); replace "
            "it, or remove it to score without LPIPS."
        ) from error
    return network
