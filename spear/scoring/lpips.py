"""LPIPS (Zhang et al., "The Unreasonable Effectiveness of Deep Features", CVPR 2018), offline."""

import logging
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from spear.errors import CheckpointError, ConfigError
from spear.networks.vgg import DOWNLOADED, FEATURES
from spear.scoring.matched import Matched
from spear.scoring.metric import Metric, Value

_log = logging.getLogger(__name__)

LpipsDistance = Callable[[Tensor, Tensor], Tensor]
"""Maps two stacks of images (b x C x H x W, values in [0, 1], C = 1 or 3) to their b distances."""

MIN_SIDE = 32
"""Least height and width of an image, in pixels, that AlexNet's last features need. The paper's
MNIST (28) therefore has NaN. VGG16 would need only half of it, but the same bound is used."""


class LPIPS(Metric):
    """LPIPS of images clipped to [0, 1] (`lpips`), 0 for equal ones; mean over the batch.

    NaN for images of less than `MIN_SIDE` pixels a side, for other inputs, and without the weights
    of LPIPS's network.

    Args:
        distance: the result of `load_lpips`; None if there are no weights.
    """

    names = ("lpips",)

    def __init__(self, distance: LpipsDistance | None = None) -> None:
        self._distance = distance

    def __call__(self, matched: Matched) -> Mapping[str, Value]:
        """Compare each image with its original."""
        small = not matched.are_images or min(matched.true.shape[2:]) < MIN_SIDE
        if self._distance is None or small:
            return {"lpips": math.nan}
        pairs = zip(matched.found.clamp(0.0, 1.0), matched.true.clamp(0.0, 1.0), strict=True)
        distances = torch.cat([self._distance(x[None], y[None]) for x, y in pairs])
        return {"lpips": distances.mean().item()}


@dataclass(frozen=True)
class _Net:
    """A network that LPIPS has linear heads for.

    Attributes:
        name: in messages.
        architecture: torchvision's function.
        features: state dict with torchvision's keys `features.*` in `data_root/weights`.
        downloaded: what torchvision calls all of its weights in torch hub's cache.
    """

    name: str
    architecture: str
    features: str
    downloaded: str


NETS = {
    "alex": _Net(
        "AlexNet", "alexnet", "alexnet-features-torchvision.pth", "alexnet-owt-7be5be79.pth"
    ),
    "vgg": _Net("VGG16", "vgg16", FEATURES, DOWNLOADED),
}
"""Networks that LPIPS can use, by the names that the `lpips` package has for them."""


def load_lpips(data_root: Path, net: str = "alex") -> LpipsDistance | None:
    """Return LPIPS v0.1, or None if the network's weights are absent. Never downloads.

    The linear heads come with the `lpips` package. The convolutions (a state dict with
    torchvision's keys `features.*`) are looked for in `data_root/weights`, then among torchvision's
    own downloads. Values of different networks are not comparable.

    Args:
        data_root: folder of the data sets, whose subfolder `weights` may hold the convolutions.
        net: "alex" (AlexNet, the authors' choice for a metric) or "vgg" (VGG16, which the code of
            CPA uses, and so most likely the paper's Table 6; the weights in `data_root` are
            rounded to float16).

    Raises:
        ConfigError: there is no such network.
        CheckpointError: the file found is damaged or is not the network's.
    """
    if net not in NETS:
        raise ConfigError(f"net is {net!r} (key lpips_net); expected one of {', '.join(NETS)}.")
    chosen = NETS[net]
    places = [
        data_root / "weights" / chosen.features,
        Path(torch.hub.get_dir()) / "checkpoints" / chosen.downloaded,
    ]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        _log.info(
            "LPIPS is not computed: no %s weights at %s (torchvision fetches the latter: "
            "`python -c \"import torchvision as t; t.models.%s(weights='DEFAULT')\"`).",
            chosen.name,
            " or ".join(map(str, places)),
            chosen.architecture,
        )
        return None
    _log.info("LPIPS uses the %s weights in %s.", chosen.name, found)
    network = _network(net, found)

    def distances(first: Tensor, second: Tensor) -> Tensor:
        with torch.no_grad():
            # `normalize` takes [0, 1] to the [-1, 1] that LPIPS works on.
            values = network(_rgb(first), _rgb(second), normalize=True)
        return values.flatten().double()

    return distances


def _rgb(images: Tensor) -> Tensor:
    return images.cpu().float().expand(-1, 3, -1, -1)


def _network(net: str, path: Path) -> Callable[..., Tensor]:
    import lpips  # takes seconds, and `import spear` loads this module

    # lpips builds a random network first; that must not move the caller's random numbers.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips calls torchvision with arguments since renamed
        network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    trunk = network.net
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        # torchvision's features.3.weight is slice2.3.weight here.
        trunk.load_state_dict(
            {key: weights["features." + key.partition(".")[2]] for key in trunk.state_dict()}
        )
    except Exception as error:  # torch.load names no exceptions of its own
        raise CheckpointError(
            f"{path} does not hold the convolutions of torchvision's {NETS[net].name} ({error}); "
            "replace it, or remove it to score without LPIPS."
        ) from error
    return network
