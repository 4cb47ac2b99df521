"""Small real data sets that come with scikit-image and scikit-learn: nothing to download."""

import torch
from skimage.data import lfw_subset
from sklearn.datasets import load_digits
from torch import Tensor

from spear.data.base import SPLITS, Dataset, check_choice


class Faces(Dataset):
    """100 faces of Labeled Faces in the Wild, as scikit-image ships them.

    Grey 1 x 25 x 25 images with values in [0, 1]. There is only one split.

    The images do not say who is shown. So that there is a loss to differentiate, image i has the
    *arbitrary* label i mod 10: it means nothing, and a network cannot learn to predict it.

    Args:
        normalize: whether the network sees normalised images.
    """

    name = "faces"
    input_shape = (1, 25, 25)
    n_classes = 10

    def __init__(self, normalize: bool = True) -> None:
        faces = torch.from_numpy(lfw_subset()[:100]).float().unsqueeze(1)
        self.mean, self.std = (faces.mean().item(),), (faces.std().item(),)
        self.normalize = normalize
        self._images = faces

    def __len__(self) -> int:
        return len(self._images)

    def example(self, index: int) -> tuple[Tensor, int]:
        """Return a face in [0, 1] (1 x 25 x 25) and its arbitrary label, 0 to 9."""
        return self._images[index], index % self.n_classes


class Digits(Dataset):
    """1,797 handwritten digits (UCI "Optical Recognition of Handwritten Digits", its test part).

    Grey 1 x 8 x 8 images with the 17 values 0, 1/16, ..., 1, shipped with scikit-learn; images
    0-999 are `train`, 1000-1796 `test`.

    Args:
        split: "train" or "test".
        normalize: whether the network sees normalised images.

    Raises:
        ConfigError: there is no such split.
    """

    name = "digits"
    input_shape = (1, 8, 8)
    n_classes = 10

    def __init__(self, split: str = "test", normalize: bool = True) -> None:
        check_choice("split", split, SPLITS)
        digits = load_digits()
        images = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
        self.mean, self.std = (images.mean().item(),), (images.std().item(),)
        self.normalize = normalize
        part = slice(0, 1000) if split == "train" else slice(1000, None)
        self._images, self._labels = images[part], digits.target[part].tolist()

    def __len__(self) -> int:
        return len(self._images)

    def example(self, index: int) -> tuple[Tensor, int]:
        """Return an image in [0, 1] (1 x 8 x 8) and the digit that it shows."""
        return self._images[index], self._labels[index]
