"""A small generator, and its weights on disk."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from spear.errors import CheckpointError, ConfigError
from spear.networks.checkpoints import load_checkpoint
from spear.settings import check_least

WEIGHTS = Path(__file__).parent / "weights"
"""Weights that come with the suite; the metadata of a file says how it was made."""

_ARCHITECTURE = "architecture"


class DCGAN(nn.Module):
    """The generator of DCGAN (Radford et al., ICLR 2016), with few channels.

    A transposed convolution turns `latent` numbers into a small square. Each further one doubles
    its side and halves its channels. Batch normalisation and ReLU come in between, a sigmoid at
    the end, because images are in [0, 1] here. For 3 x 32 x 32 and width 64:
    256 x 4 x 4, 128 x 8 x 8, 64 x 16 x 16. See `spear.baselines.generative.generator.Generator`.

    Args:
        shape: C x H x W of an image; H = W is 4 to 7 times a power of two above 1.
        latent: length of a latent.
        width: channels before the image.
        seed: of the initialisation; the global random state is left as it was.

    Raises:
        ConfigError: doubling does not lead to the shape, or a size is below 1.
    """

    def __init__(
        self, shape: tuple[int, ...], latent: int = 128, width: int = 32, seed: int = 0
    ) -> None:
        super().__init__()
        check_least(1, latent=latent, width=width)
        side, doublings = smallest_square(shape)
        self.shape, self.latent, self.width = tuple(shape), latent, width
        self.latent_shape = (latent,)
        channels = [width << k for k in reversed(range(doublings))]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            blocks = [
                nn.Sequential(
                    nn.Unflatten(1, (latent, 1, 1)),
                    nn.ConvTranspose2d(latent, channels[0], side, bias=False),
                    *_between(channels[0]),
                )
            ]
            for wide, narrow in pairwise(channels):
                blocks.append(nn.Sequential(_doubling(wide, narrow, False), *_between(narrow)))
            blocks.append(nn.Sequential(_doubling(width, shape[0], True), nn.Sigmoid()))
            self.blocks = nn.Sequential(*blocks)

    def forward(self, latents: Tensor) -> Tensor:
        """Images (b x shape) in [0, 1] from latents (b x latent)."""
        images: Tensor = self.blocks(latents)
        return images

    def save(self, path: Path, metadata: dict[str, str]) -> None:
        """Write safetensors in half precision, with the architecture and `metadata`."""
        state = {name: value.half().contiguous() for name, value in self.state_dict().items()}
        settings = {"shape": self.shape, "latent": self.latent, "width": self.width}
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(state, path, {_ARCHITECTURE: json.dumps(settings), **metadata})

    @classmethod
    def trained(cls, weights: str | Path = "cifar10") -> Self:
        """A generator from disk, in evaluation mode and single precision.

        Args:
            weights: a file that `save` wrote (`spear train-generator` does), or the name of one in
                `WEIGHTS`.

        Raises:
            CheckpointError: there is no such file, or it holds no such generator.
        """
        path = Path(weights)
        if path.suffix != ".safetensors":
            path = WEIGHTS / f"{weights}.safetensors"
        if not path.is_file():
            known = ", ".join(sorted(each.stem for each in WEIGHTS.glob("*.safetensors")))
            raise CheckpointError(
                f"weights is {str(weights)!r}, which is neither a .safetensors "
                f"file nor one of {known}; train one with spear train-generator."
            )
        try:
            with safe_open(path, "pt") as file:
                settings = json.loads((file.metadata() or {})[_ARCHITECTURE])
            generator = cls(tuple(settings["shape"]), settings["latent"], settings["width"])
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"weights is {path}, which is no generator that "
                "spear train-generator has written; train one with it, or take a generator of "
                "another class."
            ) from error
        load_checkpoint(generator, path)
        return generator.eval()


def smallest_square(shape: tuple[int, ...]) -> tuple[int, int]:
    """The side in 4 to 7 from which doubling leads to images of a shape, and how many doublings.

    Raises:
        ConfigError: no such side exists.
    """
    side, doublings = shape[-1] if shape else 0, 0
    while side > 7 and side % 2 == 0:
        side, doublings = side // 2, doublings + 1
    if len(shape) != 3 or shape[1] != shape[2] or not 4 <= side <= 7 or not doublings:
        raise ConfigError(
            f"examples have shape {tuple(shape)}; the generator makes square images C x H x W "
            "with a side of 4 to 7 times a power of two, such as 28, 32 and 64."
        )
    return side, doublings


def _doubling(wide: int, narrow: int, bias: bool) -> nn.Module:
    return nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=bias)


def _between(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels), nn.ReLU()
