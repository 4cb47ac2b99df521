"""The interface every data set has: examples in [0, 1], drawn in reproducible batches."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor

from spear.domain import Domain
from spear.errors import ConfigError, DatasetError

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Batch:
    """A client's private batch.

    Attributes:
        inputs: b x input_shape, float32, as the network receives them (normalised if asked for).
        labels: b class indices, int64; or b x K class probabilities, float32
            (`spear.data.augmentation`).
    """

    inputs: Tensor
    labels: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        return Batch(self.inputs.to(device), self.labels.to(device))


class Dataset(ABC):
    """Labelled examples with values in [0, 1] and the normalisation a network would apply.

    A new data set subclasses this, implements `__len__` and `example`, and gets one file in
    `conf/dataset/`.

    Attributes:
        name: for tables and file names.
        input_shape: shape of one example, C x H x W for images.
        n_classes: number of labels.
        is_image: whether image metrics (PSNR, SSIM, LPIPS) mean anything.
        mean, std: per channel (images) or per feature; what `normalize` subtracts and divides by.
        normalize: whether the network sees (x - mean) / std or x itself.
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
        """Shape and range of what the network receives: of values in [0, 1], normalised or not."""
        ends = torch.stack([torch.zeros(self.input_shape), torch.ones(self.input_shape)])
        lower, upper = self.normalized(ends)
        return Domain(self.input_shape, lower, upper)

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def example(self, index: int) -> tuple[Tensor, int]:
        """Example `index`: its values in [0, 1] (float32, `input_shape`) and its label."""

    def batch(self, size: int, generator: torch.Generator) -> Batch:
        """Draw `size` different examples, all equally likely.

        Raises:
            DatasetError: the data set has fewer than `size` examples.
        """
        if size > len(self):
            raise DatasetError(
                f"data set {self.name!r} has {len(self)} examples and cannot give a batch of "
                f"{size}; choose batch_size <= {len(self)}."
            )
        return self.collected(torch.randperm(len(self), generator=generator)[:size].tolist())

    def labels(self) -> Tensor:
        """Every example's label, int64, in their order.

        Reads all examples unless a data set that knows their labels beforehand overrides it.
        """
        return torch.tensor([self.example(i)[1] for i in range(len(self))], dtype=torch.int64)

    def collected(self, indices: Sequence[int]) -> Batch:
        """The batch of these examples, in this order."""
        examples = [self.example(i) for i in indices]
        inputs = torch.stack([x for x, _ in examples])
        labels = torch.tensor([y for _, y in examples], dtype=torch.int64)
        return Batch(self.normalized(inputs), labels)

    def normalized(self, inputs: Tensor) -> Tensor:
        """From [0, 1] to what the network receives (b x input_shape)."""
        if not self.normalize:
            return inputs
        mean, std = self._statistics(inputs)
        return (inputs - mean) / std

    def denormalized(self, inputs: Tensor) -> Tensor:
        """From what the network receives back to [0, 1]; takes b x input_shape or b x n."""
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
    """Refuse a value of `setting` that is not among the `allowed` ones."""
    if given not in allowed:
        raise ConfigError(f"{setting} is {given!r}, but must be one of {', '.join(allowed)}.")


def missing(files: str, root: str | Path, source: str) -> DatasetError:
    """The error for files that are not where they should be."""
    return DatasetError(
        f"{files} not found in {Path(root).absolute()}, the folder set by data_root= or the "
        f"environment variable SPEAR_DATA; get it from {source}."
    )


def unreadable(path: Path, reason: object, source: str) -> DatasetError:
    """The error for a file that is there but cut off, damaged or of another format."""
    return DatasetError(
        f"{path} cannot be read ({_one_line(reason)}); replace it by a whole copy from {source}."
    )


def fetch(name: str, root: str | Path) -> None:
    """Have torchvision fetch `name` into `root`, unless it is there with the right MD5."""
    import torchvision.datasets  # takes seconds, and few runs download

    try:
        getattr(torchvision.datasets, name)(root, download=True)
    except (OSError, RuntimeError, HTTPException) as error:
        raise DatasetError(
            f"{name} could not be downloaded into {root} ({_one_line(error)}); check the network, "
            f"or put its files there by hand and set download to false."
        ) from error


def _one_line(reason: object) -> str:
    return " ".join(str(reason).split())
