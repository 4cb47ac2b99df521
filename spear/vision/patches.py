"""Images cut into patches, and put together again."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """Patches of an image: squares side by side, row after row.

    Attributes:
        channels: of the image.
        side: of a patch, in pixels.
        rows, columns: patches of the image.
    """

    channels: int
    side: int
    rows: int
    columns: int

    @property
    def patches(self) -> int:
        """Number of patches, N."""
        return self.rows * self.columns

    @property
    def numbers(self) -> int:
        """Numbers in a patch, P."""
        return self.channels * self.side**2

    def cut(self, images: Tensor) -> Tensor:
        """Return the patches of images (b x channels x height x width) as b x N x P."""
        b, c, s = len(images), self.channels, self.side
        tiled = images.reshape(b, c, self.rows, s, self.columns, s).permute(0, 2, 4, 1, 3, 5)
        return tiled.reshape(b, self.patches, self.numbers)

    def joined(self, patches: Tensor) -> Tensor:
        """Return the images of patches (b x N x P) as b x channels x height x width."""
        b, c, s = len(patches), self.channels, self.side
        tiled = patches.reshape(b, self.rows, self.columns, c, s, s).permute(0, 3, 1, 4, 2, 5)
        return tiled.reshape(b, c, self.rows * s, self.columns * s)
