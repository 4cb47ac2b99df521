"""CIFAR-10, read from its Python batches without trusting them."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spear.data.base import SPLITS, Dataset, check_choice, fetch, missing, unreadable

SOURCE = "https://www.cs.toronto.edu/~kriz/cifar.html or set download to true"
FOLDER = "cifar-10-batches-py"


class CIFAR10(Dataset):
    """Small photographs of ten kinds of things (Krizhevsky, 2009).

    Colour 3 x 32 x 32 images with the 256 values 0, 1/255, ..., 1; 10,000 in each batch file.
    `train` holds those of `data_batch_1` to `data_batch_5` that are present, `test` is
    `test_batch`.

    Args:
        root: folder that contains `cifar-10-batches-py`.
        split: "train" or "test".
        normalize: whether the network sees normalised images.
        download: fetch missing files into `root` with torchvision. All six files must then have
            their official MD5.

    Raises:
        ConfigError: there is no such split.
        DatasetError: a file is missing or damaged, or the download failed.
    """

    name = "cifar10"
    input_shape = (3, 32, 32)
    n_classes = 10
    mean = (0.4914672374725342, 0.4822617471218109, 0.4467701315879822)
    std = (0.24703224003314972, 0.24348513782024384, 0.26158785820007324)

    def __init__(
        self, root: str | Path, split: str = "test", normalize: bool = True, download: bool = False
    ) -> None:
        check_choice("split", split, SPLITS)
        self.normalize = normalize
        if download:
            fetch("CIFAR10", root)
        pattern = "data_batch_[1-5]" if split == "train" else "test_batch"
        paths = sorted((Path(root) / FOLDER).glob(pattern))
        if not paths:
            raise missing(f"{FOLDER}/{pattern}", root, SOURCE)
        batches = [_read_batch(path) for path in paths]
        self._images = torch.cat([images for images, _ in batches])
        self._labels = [label for _, labels in batches for label in labels]

    def __len__(self) -> int:
        return len(self._images)

    def example(self, index: int) -> tuple[Tensor, int]:
        """Return a photograph in [0, 1] (3 x 32 x 32) and its class, 0 to 9."""
        return self._images[index] / 255, self._labels[index]

    def labels(self) -> Tensor:
        """Implement `Dataset`."""
        return torch.tensor(self._labels)


class _ArrayUnpickler(pickle.Unpickler):
    """Admits what a pickled NumPy array needs and nothing else, so it cannot run foreign code."""

    ADMITTED = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no image data needs")
        return super().find_class(module, name)


def _read_batch(path: Path) -> tuple[Tensor, list[int]]:
    """Images (n x 3 x 32 x 32, uint8) and labels of one batch file."""
    try:
        with path.open("rb") as file:
            batch = _ArrayUnpickler(file, encoding="latin1").load()
        images, labels = batch["data"], batch["labels"]
    except (
        *(pickle.UnpicklingError, OSError, EOFError, MemoryError),
        *(AttributeError, ImportError, LookupError, OverflowError, TypeError, ValueError),
    ) as error:
        raise unreadable(path, error, SOURCE) from error
    if (
        not isinstance(images, np.ndarray)
        or images.dtype != np.uint8
        or images.shape[1:] != (3072,)
    ):
        raise unreadable(path, "its data are not rows of 3072 bytes", SOURCE)
    if (
        not isinstance(labels, list)
        or len(labels) != len(images)
        or any(label not in range(10) for label in labels)
    ):
        raise unreadable(path, f"it has no label 0-9 for each of {len(images)} images", SOURCE)
    return torch.from_numpy(images).reshape(-1, 3, 32, 32), labels
