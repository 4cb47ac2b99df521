"""Data sets, and ways to draw a client's batches from them and to augment these.

`base.Dataset` is the interface of every data set.
"""

from spear.data.adult import Adult
from spear.data.augmentation import Augmentation, LabelSmoothing, Mixup, NoAugmentation
from spear.data.base import Batch, Dataset
from spear.data.cifar10 import CIFAR10
from spear.data.drawing import Drawing, SingleClassBatches, UniformBatches
from spear.data.embedded import Digits, Faces
from spear.data.harus import Harus
from spear.data.image_folder import ImageNet, TinyImageNet
from spear.data.joint import JointBatch
from spear.data.mnist import MNIST
from spear.data.sentences import Paragraphs, Sentences, TextFile
from spear.data.shares import Share, shares
from spear.data.tabular import TableDomain
from spear.data.text import TextDomain
from spear.data.torchvision_sets import CIFAR100, EMNIST, SVHN, FashionMNIST

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "EMNIST",
    "MNIST",
    "SVHN",
    "Adult",
    "Augmentation",
    "Batch",
    "Dataset",
    "Digits",
    "Drawing",
    "Faces",
    "FashionMNIST",
    "Harus",
    "ImageNet",
    "JointBatch",
    "LabelSmoothing",
    "Mixup",
    "NoAugmentation",
    "Paragraphs",
    "Sentences",
    "Share",
    "SingleClassBatches",
    "TableDomain",
    "TextDomain",
    "TextFile",
    "TinyImageNet",
    "UniformBatches",
    "shares",
]
