"""Interface of every data set: examples in [0, 1], drawn in reproducible batches."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spear.domain import Domain
from spear.errors import ConfigError, DatasetError

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Batch:
    """A client's private batch.

    Attributes:
        inputs: b x input_shape, float32, as the network receives them (normalised or not).
        labels: b class indices, int64; or b x K class probabilities, float32, after an augmentation
            (`spear.data.augmentation`).
    """

    inputs: Tensor
    labels: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """Return the same batch on another device."""
        return Batch(self.inputs.to(device), self.labels.to(device))


class Dataset(ABC):
    """Labelled examples with values in [0, 1], and the normalisation that the network sees.

    A new data set subclasses this, implements `__len__` and `example`, and gets one file in
    `conf/dataset/`.

    Attributes:
        name: for tables and file names.
        input_shape: shape of one example, C x H x W for images.
        n_classes: number of classes K.
        is_image: whether examples are images, for which PSNR, SSIM and LPIPS are defined.
        mean, std: constants of the normalisation, per channel (images) or per feature.
        normalize: whether the network receives (x - mean) / std or x itself.
    """

    name: str
    input_shape: tuple[int, ...]
    n_classes: int
    is_image: bool = True
    mean: tuple[float, ...]
    std: tuple[float, ...]
    normalize: bool

    @property
    def domain(self) -> Domain:
        """Shape of the network's inputs and their range: that of [0, 1], normalised or not."""
        ends = torch.stack([torch.zeros(self.input_shape), torch.ones(self.input_shape)])
        lower, upper = self.normalized(ends)
        return Domain(self.input_shape, lower, upper)

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def example(self, index: int) -> tuple[Tensor, int]:
        """Return the values in [0, 1] (float32, `input_shape`) and the label of example `index`."""

    def batch(self, size: int, generator: torch.Generator) -> Batch:
        """Return a batch of `size` different examples, all equally likely.

        Raises:
            DatasetError: the data set has fewer than `size` examples.
        """
        if size > len(self):
            raise DatasetError(
                f"data set {self.name!r} has {len(self)} examples and cannot give a batch of "
                f"{size}; choose a batch of at most {len(self)}."
            )
        return self.collected(torch.randperm(len(self), generator=generator)[:size].tolist())

    def labels(self) -> Tensor:
        """Return the labels of all examples (int64) in the order of the examples.

        Reads every example. A data set that knows the labels beforehand overrides this.
        """
        return torch.tensor([self.example(i)[1] for i in range(len(self))], dtype=torch.int64)

    def collected(self, indices: Sequence[int]) -> Batch:
        """Return the batch of these examples, in this order."""
        examples = [self.example(i) for i in indices]
        inputs = torch.stack([x for x, _ in examples])
        labels = torch.tensor([y for _, y in examples], dtype=torch.int64)
        return Batch(self.normalized(inputs), labels)

    def normalized(self, inputs: Tensor) -> Tensor:
        """Return inputs in [0, 1] (b x input_shape) in the form that the network receives."""
        if not self.normalize:
            return inputs
        mean, std = self._statistics(inputs)
        return (inputs - mean) / std

    def denormalized(self, inputs: Tensor) -> Tensor:
        """Return inputs that the network receives in the form in [0, 1] (b x input_shape).

        Args:
            inputs: b x input_shape, or flattened (b x n).
        """
        inputs = inputs.reshape(-1, *self.input_shape)
        if not self.normalize:
            return inputs
        mean, std = self._statistics(inputs)
        return inputs * std + mean

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        shape = (-1, *[1] * (len(self.input_shape) - 1))
        mean = torch.tensor(self.mean, dtype=like.dtype, device=like.device).view(shape)
        std = torch.tensor(self.std, dtype=like.dtype, device=like.device).view(shape)
        return mean, std


def check_choice(setting: str, given: str, allowed: Sequence[str]) -> None:
    """Refuse a value of a setting that is not among the allowed ones.

    Raises:
        ConfigError: it is not; the message names the allowed ones.
    """
    if given not in allowed:
        raise ConfigError(f"{setting} is {given!r}; expected one of {', '.join(allowed)}.")


def missing(files: str, root: str | Path, source: str) -> DatasetError:
    """Return the error for files that are not where they should be.

    Args:
        files: their paths below `root`.
        root: folder of the data sets.
        source: where to get the files, to end the message.
    """
    return DatasetError(
        f"{files} not found in root {Path(root).absolute()}, which the command takes from "
        f"data_root= or the environment variable SPEAR_DATA; get it from {source}."
    )


def unreadable(path: Path, reason: object, source: str) -> DatasetError:
    """Return the error for a file that is cut off, damaged or of another format.

    Args:
        path: of the file.
        reason: what is wrong with it.
        source: where to get it, to end the message.
    """
    return DatasetError(
        f"{path} cannot be read ({_one_line(reason)}); replace it with a whole copy from {source}."
    )


def fetch(name: str, root: str | Path, **arguments: Any) -> None:
    """Download a data set with torchvision, unless it is there with the right MD5.

    Args:
        name: of torchvision's class.
        root: folder of the data sets.
        arguments: further ones of the class.

    Raises:
        DatasetError: the download failed.
    """
    import torchvision.datasets  # takes seconds, and few runs download

    try:
        getattr(torchvision.datasets, name)(root, download=True, **arguments)
    except (OSError, RuntimeError, HTTPException) as error:
        raise DatasetError(
            f"{name} could not be downloaded into {root} ({_one_line(error)}); check the network, "
            "or put its files there by hand and set download to false."
        ) from error


def _one_line(reason: object) -> str:
    return " ".join(str(reason).split())
