"""Tiny ImageNet and ImageNet: folders of image files, decoded when an example is asked for."""

import re
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from spear.data.base import SPLITS, Dataset, check_choice, missing, unreadable
from spear.errors import ConfigError, DatasetError

TINY_SOURCE = "http://cs231n.stanford.edu/tiny-imagenet-200.zip (unpack it there)"
IMAGENET_SOURCE = (
    "https://image-net.org/download.php (needs an account), or name a folder that you have as "
    "`folder`"
)


class _ImageFiles(Dataset):
    """Colour images, one file each, brought to the same size."""

    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)
    _examples: list[tuple[Path, int]]
    _source: str

    def __len__(self) -> int:
        return len(self._examples)

    def example(self, index: int) -> tuple[Tensor, int]:
        """Return an image in [0, 1] (3 x side x side), decoded now, and the index of its class.

        Raises:
            DatasetError: the file cannot be read.
        """
        path, label = self._examples[index]
        try:
            with Image.open(path) as file:
                image = file.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise unreadable(path, error, self._source) from error
        pixels = np.array(_resized(image, self.input_shape[-1]))
        return torch.from_numpy(pixels).permute(2, 0, 1) / 255, label

    def labels(self) -> Tensor:
        """Implement `Dataset`."""
        return torch.tensor([label for _, label in self._examples])


class TinyImageNet(_ImageFiles):
    """ImageNet at 64 x 64 with 200 classes (Le and Yang, Stanford CS231N, 2015).

    Colour 3 x 64 x 64 images with the 256 values 0, 1/255, ..., 1; a grey file gets three equal
    channels. The class is the rank of the file's WordNet id in the sorted `wnids.txt`. `train` has
    500 images a class; `test` is the validation split (50 a class), for the test split of the
    challenge has no labels.

    Args:
        root: folder that contains `tiny-imagenet-200`.
        split: "train" or "test".
        normalize: whether the network sees normalised images.

    Raises:
        ConfigError: there is no such split.
        DatasetError: files are missing or damaged.
    """

    name = "tiny_imagenet"
    input_shape = (3, 64, 64)
    n_classes = 200
    _source = TINY_SOURCE

    def __init__(self, root: str | Path, split: str = "test", normalize: bool = True) -> None:
        check_choice("split", split, SPLITS)
        self.normalize = normalize
        folder = Path(root) / "tiny-imagenet-200"
        wnids = sorted(line.strip() for line in _lines(folder / "wnids.txt", root))
        classes = {wnid: rank for rank, wnid in enumerate(wnids)}
        if split == "train":
            files = sorted((folder / "train").glob("*/images/*.JPEG"))
            named = [(path, path.parts[-3]) for path in files]
        else:
            annotations = folder / "val" / "val_annotations.txt"
            rows = [line.split("\t") for line in _lines(annotations, root)]
            if any(len(row) < 2 for row in rows):
                raise unreadable(annotations, "a line has no class", TINY_SOURCE)
            named = [(folder / "val" / "images" / name, wnid) for name, wnid, *_ in rows]
        if not named:
            raise missing("tiny-imagenet-200/train/*/images/*.JPEG", root, TINY_SOURCE)
        unknown = {wnid for _, wnid in named} - classes.keys()
        if unknown:
            raise unreadable(folder / "wnids.txt", f"it lacks {min(unknown)}", TINY_SOURCE)
        self._examples = [(path, classes[wnid]) for path, wnid in named]


class ImageNet(_ImageFiles):
    """ImageNet (Deng et al., 2009), or any folder of images, at a resolution of one's choice.

    Colour 3 x resolution x resolution images with the 256 values 0, 1/255, ..., 1: the short side
    is resized (bilinear, antialiased), then the centre cut out; a grey file gets three equal
    channels.

    An image's class is named by the first folder on its path or, if it lies directly in `folder`,
    by its own name `<wnid>_<name>.JPEG`. The class index is the number that the folders are named
    by, or else the class's rank among the classes *found*: this is the ILSVRC index only if all
    1,000 are there.

    Args:
        root: folder that contains `folder`.
        split: "train" for the images in `folder/train` or "test" for those in `folder/val`. In a
            folder with neither, all images belong to both splits.
        normalize: whether the network sees normalised images.
        resolution: height and width in pixels; the paper uses 224, 256 and 720.
        folder: the images' folder, relative to `root`.

    Raises:
        ConfigError: there is no such split, or the resolution is no positive whole number.
        DatasetError: there are no images, or one does not say its class.
    """

    name = "imagenet"
    n_classes = 1000
    _source = IMAGENET_SOURCE

    def __init__(
        self,
        root: str | Path,
        split: str = "test",
        normalize: bool = True,
        resolution: int = 256,
        folder: str = "imagenet",
    ) -> None:
        check_choice("split", split, SPLITS)
        if type(resolution) is not int or resolution < 1:
            raise ConfigError(f"resolution is {resolution!r}; expected a positive whole number.")
        self.normalize = normalize
        self.input_shape = (3, resolution, resolution)
        top = Path(root) / folder
        if (top / "train").is_dir() or (top / "val").is_dir():
            top /= "train" if split == "train" else "val"
        suffixes = {".jpeg", ".jpg", ".png"}
        files = sorted(path for path in top.rglob("*") if path.suffix.lower() in suffixes)
        if not files:
            raise missing(f"images (.JPEG, .jpg, .png) in {top}", root, IMAGENET_SOURCE)
        names = [_class_name(path, top) for path in files]
        classes = _class_indices(set(names))
        if max(classes.values()) >= self.n_classes:
            raise DatasetError(
                f"{top} has a class index of {max(classes.values())}, but ImageNet's classes are "
                f"0 to {self.n_classes - 1}; remove the folders that are no classes."
            )
        self._examples = [(path, classes[name]) for path, name in zip(files, names, strict=True)]


def _resized(image: Image.Image, side: int) -> Image.Image:
    """The middle `side` x `side` pixels of the image, scaled so that its short side is `side`."""
    short = min(image.size)
    width, height = (edge * side // short for edge in image.size)
    left, top = round((width - side) / 2), round((height - side) / 2)
    scaled = image.resize((width, height), Image.Resampling.BILINEAR)
    return scaled.crop((left, top, left + side, top + side))


def _lines(path: Path, root: str | Path) -> list[str]:
    if not path.is_file():
        raise missing(str(path.relative_to(root)), root, TINY_SOURCE)
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error, TINY_SOURCE) from error


def _class_name(path: Path, top: Path) -> str:
    inside = path.relative_to(top)
    if len(inside.parts) > 1:
        return inside.parts[0]
    wnid = re.match(r"n\d{8}(?=_)", path.name)
    if wnid is None:
        raise DatasetError(
            f"{path} does not say its class; put it into a folder named by the class, or name it "
            f"<wnid>_<name>{path.suffix}."
        )
    return wnid[0]


def _class_indices(names: set[str]) -> dict[str, int]:
    if all(name.isdecimal() for name in names):
        return {name: int(name) for name in names}
    return {name: rank for rank, name in enumerate(sorted(names))}
