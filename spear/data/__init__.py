"""The data sets; `base.Dataset` says what one has to offer."""

from spear.data.adult import Adult
from spear.data.base import Batch, Dataset
from spear.data.cifar10 import CIFAR10
from spear.data.drawing import Drawing, SingleClassBatches, UniformBatches
from spear.data.embedded import Digits, Faces
from spear.data.image_folder import ImageNet, TinyImageNet
from spear.data.mnist import MNIST

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
