"""Truths and reconstructions made by hand, to be scored."""

import dataclasses

import torch
from hypothesis import strategies as st
from torch import Tensor

from spear.data.base import Dataset
from spear.reconstruction import Reconstruction, Status
from spear.scoring import Truth

SEEDS = st.integers(0, 2**32 - 1)


class Pictures(Dataset):
    """No examples, only a shape and a normalisation."""

    name = "pictures"
    n_classes = 10

    def __init__(self, shape: tuple[int, ...], normalize: bool = True) -> None:
        self.input_shape = shape
        self.normalize = normalize
        self.mean = tuple(0.3 + 0.1 * i for i in range(shape[0]))
        self.std = tuple(0.2 + 0.1 * i for i in range(shape[0]))

    def __len__(self) -> int:
        return 0

    def example(self, index: int) -> tuple[Tensor, int]:
        raise IndexError(index)


RGB = Pictures((3, 16, 16))


def truth(dataset: Dataset, b: int, seed: int = 0) -> Truth:
    """Pictures with values in [0.25, 0.75], normalised, the gradients of m = 30 neurons, G."""
    generator = torch.Generator().manual_seed(seed)
    pixels = 0.25 + 0.5 * torch.rand(
        b, *dataset.input_shape, generator=generator, dtype=torch.float64
    )
    gradients = torch.randn(30, b, generator=generator, dtype=torch.float64)
    inputs = dataset.normalized(pixels).flatten(1)
    return Truth(inputs, gradients, torch.zeros(b), gradients @ inputs)


def found(inputs: Tensor, gradients: Tensor) -> Reconstruction:
    empty = Reconstruction.empty(gradients.shape[0], inputs.shape[1], Status.PARTIAL)
    return dataclasses.replace(empty, inputs=inputs, activation_gradients=gradients)


def perfect(true: Truth) -> Reconstruction:
    return found(true.inputs.clone(), true.activation_gradients.clone())


def off_by(dataset: Dataset, true: Truth, error: float) -> Reconstruction:
    """Every de-normalised pixel too large by `error`."""
    pixels = dataset.denormalized(true.inputs) + error
    return found(dataset.normalized(pixels).flatten(1), true.activation_gradients)
