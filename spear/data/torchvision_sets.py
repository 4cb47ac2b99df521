"""Image data sets that torchvision reads: Fashion-MNIST, EMNIST, SVHN and CIFAR-100.

They are those of the peeling paper (arXiv 2609.09659) beside MNIST, CIFAR-10 and ImageNet. The
constants of the normalisation are those in common use.
"""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from spear.data.base import SPLITS, Dataset, check_choice, fetch, missing


class _FromTorchvision(Dataset):
    """Images in the files that torchvision downloads, with the 256 values 0, 1/255, ..., 1.

    Args:
        root: folder below which torchvision puts its files.
        split: "train" or "test".
        normalize: whether the network sees normalised images.
        download: fetch missing files into `root` with torchvision.

    Raises:
        ConfigError: there is no such split.
        DatasetError: files are missing or damaged, or the download failed.
    """

    _class: ClassVar[str]
    _files: ClassVar[str]
    _home: ClassVar[str]
    _arguments: ClassVar[dict[str, Any]] = {}
    _by_name: ClassVar[bool] = False
    """Whether torchvision's class takes the split by its name instead of `train`."""

    def __init__(
        self, root: str | Path, split: str = "test", normalize: bool = True, download: bool = False
    ) -> None:
        check_choice("split", split, SPLITS)
        self.normalize = normalize
        chosen = {"split": split} if self._by_name else {"train": split == "train"}
        if download:
            fetch(self._class, root, **self._arguments, **chosen)
        import torchvision.datasets  # takes seconds

        make = getattr(torchvision.datasets, self._class)
        try:
            self._images = make(root, download=False, **self._arguments, **chosen)
        except (RuntimeError, OSError, ValueError) as error:
            source = f"{self._home} or set download to true"
            raise missing(self._files, root, source) from error
        labels = self._images.labels if self._by_name else self._images.targets
        self._labels = torch.as_tensor(np.asarray(labels), dtype=torch.int64)

    def __len__(self) -> int:
        return len(self._labels)

    def example(self, index: int) -> tuple[Tensor, int]:
        """Return an image in [0, 1] (C x H x W) and its class."""
        image, label = self._images[index]
        pixels = torch.from_numpy(np.array(image)).reshape(*self.input_shape[1:], -1)
        return pixels.permute(2, 0, 1) / 255, int(label)

    def labels(self) -> Tensor:
        """Implement `Dataset`."""
        return self._labels


class FashionMNIST(_FromTorchvision):
    """Grey 1 x 28 x 28 photographs of ten kinds of clothes (Xiao, Rasul and Vollgraf, 2017)."""

    name = "fashion_mnist"
    input_shape = (1, 28, 28)
    n_classes = 10
    mean = (0.2860,)
    std = (0.3530,)
    _class = "FashionMNIST"
    _files = "FashionMNIST/raw/*-ubyte"
    _home = "https://github.com/zalandoresearch/fashion-mnist"


class EMNIST(_FromTorchvision):
    """Grey 1 x 28 x 28 handwritten digits and letters, 62 classes (Cohen et al., 2017, by class).

    Rows and columns are as in the files: the characters lie on their sides.
    """

    name = "emnist"
    input_shape = (1, 28, 28)
    n_classes = 62
    mean = (0.1736,)
    std = (0.3317,)
    _class = "EMNIST"
    _files = "EMNIST/raw/emnist-byclass-*-ubyte"
    _home = "https://www.nist.gov/itl/products-and-services/emnist-dataset"
    _arguments: ClassVar[dict[str, Any]] = {"split": "byclass"}


class SVHN(_FromTorchvision):
    """Colour 3 x 32 x 32 photographs of house numbers, 10 classes (Netzer et al., 2011)."""

    name = "svhn"
    input_shape = (3, 32, 32)
    n_classes = 10
    mean = (0.4377, 0.4438, 0.4728)
    std = (0.1980, 0.2010, 0.1970)
    _class = "SVHN"
    _files = "train_32x32.mat and test_32x32.mat"
    _home = "http://ufldl.stanford.edu/housenumbers"
    _by_name = True


class CIFAR100(_FromTorchvision):
    """Small colour photographs (3 x 32 x 32) of a hundred kinds of things (Krizhevsky, 2009)."""

    name = "cifar100"
    input_shape = (3, 32, 32)
    n_classes = 100
    mean = (0.5071, 0.4865, 0.4409)
    std = (0.2673, 0.2564, 0.2762)
    _class = "CIFAR100"
    _files = "cifar-100-python"
    _home = "https://www.cs.toronto.edu/~kriz/cifar.html"
