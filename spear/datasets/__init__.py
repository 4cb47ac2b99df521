"""The data sets; `base.Dataset` says what one has to offer."""

from spear.datasets.adult import Adult
from spear.datasets.base import Batch, Dataset
from spear.datasets.cifar10 import CIFAR10
from spear.datasets.drawing import Drawing, SingleClassBatches, UniformBatches
from spear.datasets.embedded import Digits, Faces
from spear.datasets.image_folder import ImageNet, TinyImageNet
from spear.datasets.mnist import MNIST

__all__ = [
    "CIFAR10",
    "MNIST",
    "Adult",
    "Batch",
    "Dataset",
    "Digits",
    "Drawing",
    "Faces",
    "ImageNet",
    "SingleClassBatches",
    "TinyImageNet",
    "UniformBatches",
]
