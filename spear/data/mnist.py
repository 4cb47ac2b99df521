"""MNIST, read from its original files."""

import gzip
import math
import zlib
from pathlib import Path

import torch
from torch import Tensor

from spear.data.base import SPLITS, Dataset, check_choice, fetch, missing, unreadable

SOURCE = "http://yann.lecun.com/exdb/mnist/ or set download to true"


class MNIST(Dataset):
    """Handwritten digits (LeCun, Bottou, Bengio and Haffner, 1998): 60,000 train, 10,000 test.

    Grey 1 x 28 x 28 images with the 256 values 0, 1/255, ..., 1; the label is the digit. Reads
    `MNIST/raw/*-ubyte.gz` under `root`, or the unpacked files if only these exist.

    Args:
        root: folder that contains `MNIST`.
        split: "train" or "test".
        normalize: whether the network sees normalised images.
        download: fetch missing files into `root` with torchvision.

    Raises:
        ConfigError: there is no such split.
        DatasetError: a file is missing or damaged, or the download failed.
    """

    name = "mnist"
    input_shape = (1, 28, 28)
    n_classes = 10
    mean = (0.1307,)
    std = (0.3081,)

    def __init__(
        self, root: str | Path, split: str = "test", normalize: bool = True, download: bool = False
    ) -> None:
        check_choice("split", split, SPLITS)
        self.normalize = normalize
        if download:
            fetch("MNIST", root)
        prefix = "train" if split == "train" else "t10k"
        raw = Path(root) / "MNIST" / "raw"
        images = _packed_first(raw / f"{prefix}-images-idx3-ubyte")
        labels = _packed_first(raw / f"{prefix}-labels-idx1-ubyte")
        absent = [f"MNIST/raw/{path.name}" for path in (images, labels) if not path.is_file()]
        if absent:
            raise missing(" and ".join(absent), root, SOURCE)
        self._images, self._labels = _read_idx(images, 3), _read_idx(labels, 1)
        if self._images.shape[1:] != (28, 28):
            size = " x ".join(map(str, self._images.shape[1:]))
            raise unreadable(images, f"its images are {size}, not 28 x 28", SOURCE)
        if len(self._labels) != len(self._images) or self._labels.max() >= self.n_classes:
            reason = f"it does not hold one digit for each of {len(self._images)} images"
            raise unreadable(labels, reason, SOURCE)

    def __len__(self) -> int:
        return len(self._images)

    def example(self, index: int) -> tuple[Tensor, int]:
        """Return an image in [0, 1] (1 x 28 x 28) and the digit that it shows."""
        return self._images[index].unsqueeze(0) / 255, int(self._labels[index])

    def labels(self) -> Tensor:
        """Implement `Dataset`."""
        return self._labels.long()


def _packed_first(unpacked: Path) -> Path:
    packed = unpacked.with_name(f"{unpacked.name}.gz")
    return unpacked if unpacked.is_file() and not packed.is_file() else packed


def _read_idx(path: Path, n_axes: int) -> Tensor:
    """Read idx: two zeros, type (8: bytes), number of axes, 4-byte size of each axis, values."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error, SOURCE) from error
    start = 4 + 4 * n_axes
    shape = [int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4)]
    n_values = len(content) - start
    if content[:4] != bytes([0, 0, 8, n_axes]) or n_values != math.prod(shape) or n_values == 0:
        reason = f"{len(content)} bytes are not an idx file of {n_axes} axes of the size it states"
        raise unreadable(path, reason, SOURCE)
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=start).reshape(shape)
