"""CI-Net's untrained generator (Zhang et al., ICCV 2023), as its authors' code has it."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

LATENT = 128
"""Entries of the noise that an image is made from."""

_FIRST_SIDE = 4
_LEAST_WIDTH = 32


class ImageGenerator(nn.Module):
    """From noise (b x 128) to images (b x channels x height x width) with values in (-1, 1).

    A transposed convolution makes feature maps of 4 x 4 pixels. A block of two 3 x 3 convolutions
    follows it, and another one after each doubling of the side, until the maps cover the image. A
    1 x 1 convolution and a tanh come last. Maps larger than the image, whose side may not be a
    power of two, are cropped. Batch normalisation uses the batch at hand; 3 x 3 convolutions are
    spectrally normalised, by one power iteration per call.

    Args:
        width: feature maps up to 32 pixels, a multiple of 4; half as many at 64 pixels, a quarter
            from 128 on.
        shape: of an image, channels x height x width.
    """

    def __init__(self, width: int, shape: Sequence[int]) -> None:
        super().__init__()
        channels, *self.size = shape
        first = nn.ConvTranspose2d(LATENT, width, _FIRST_SIDE)
        layers = [*_normalised(first, width), *_block(width, width)]
        sides = _sides(max(self.size))
        for before, after in pairwise(_maps(width, side) for side in sides):
            layers += [nn.Upsample(scale_factor=2), *_block(before, after)]
        layers += [nn.Conv2d(_maps(width, sides[-1]), channels, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, noise: Tensor) -> Tensor:
        """Return images in (-1, 1) from noise (b x 128)."""
        height, width = self.size
        images: Tensor = self.layers(noise[:, :, None, None])
        return images[..., :height, :width]


def authors_width(b: int, height: int, width: int) -> int:
    """The first of 32, 64, 128, ... feature maps with more than 4 b height width parameters.

    The generator then has more variables than the batch has pixels. The parameters of the generator
    for 32 pixels are counted, whatever the size of the images.
    """
    maps = _LEAST_WIDTH
    while n_parameters(maps) <= 4 * b * height * width:
        maps *= 2
    return maps


def n_parameters(width: int) -> int:
    """Parameters of the generator for colour images of 32 pixels: 140,227 for 32 maps."""
    first = LATENT * width * _FIRST_SIDE**2 + 3 * width
    convolutions = 8 * (9 * width**2 + 3 * width)
    colours = 3 * width + 3
    return first + convolutions + colours


def _sides(side: int) -> list[int]:
    """4, 8, 16, ... up to the first that is not below `side`."""
    sides = [_FIRST_SIDE]
    while sides[-1] < side:
        sides.append(2 * sides[-1])
    return sides


def _maps(width: int, side: int) -> int:
    """Feature maps at a side."""
    return width // (1 if side <= 32 else 2 if side == 64 else 4)


def _block(before: int, after: int) -> list[nn.Module]:
    """Two normalised 3 x 3 convolutions."""
    convolutions = [nn.Conv2d(maps, after, 3, padding=1) for maps in (before, after)]
    return [layer for each in convolutions for layer in _normalised(spectral_norm(each), after)]


def _normalised(convolution: nn.Module, maps: int) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(maps), nn.LeakyReLU(0.1)]
