"""Ways to draw a client's batch from its data."""

from typing import Protocol

import torch

from spear.data.base import Batch, Dataset
from spear.errors import DatasetError


class Drawing(Protocol):
    """Interface of a way to draw batches.

    A new one is a class with this call, and one file in `conf/drawing/`.
    """

    def __call__(self, dataset: Dataset, size: int, generator: torch.Generator) -> Batch:
        """Return a batch of `size` different examples, drawn from `generator` alone.

        Raises:
            DatasetError: the data set cannot give such a batch.
        """
        ...


class UniformBatches:
    """Batches of any examples, all equally likely, whatever their classes."""

    def __call__(self, dataset: Dataset, size: int, generator: torch.Generator) -> Batch:
        """Implement `Drawing` by `Dataset.batch`."""
        return dataset.batch(size, generator)


class SingleClassBatches:
    """Batches of one class each, as of a client that has only that class (App. E.2, Table 8).

    First a class is drawn from those with at least `size` examples, all equally likely, then the
    examples within it. Two batches may be of the same class.
    """

    def __call__(self, dataset: Dataset, size: int, generator: torch.Generator) -> Batch:
        """Implement `Drawing`.

        Raises:
            DatasetError: no class has `size` examples.
        """
        labels = dataset.labels()
        counts = labels.bincount()
        large = torch.nonzero(counts >= size).flatten()
        if len(large) == 0:
            raise DatasetError(
                f"the largest class of data set {dataset.name!r} has {int(counts.max())} examples "
                f"and cannot give a batch of {size}; choose a batch of at most {int(counts.max())}."
            )
        label = large[torch.randint(len(large), (1,), generator=generator)]
        members = torch.nonzero(labels == label).flatten()
        order = torch.randperm(len(members), generator=generator)[:size]
        return dataset.collected(members[order].tolist())
