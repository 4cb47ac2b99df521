"""How a client's batch is drawn from its data."""

from typing import Protocol

import torch

from spear.data.base import Batch, Dataset
from spear.errors import DatasetError


class Drawing(Protocol):
    """Draws one batch. A new one is a class with this call, and one file in `conf/drawing/`."""

    def __call__(self, dataset: Dataset, size: int, generator: torch.Generator) -> Batch:
        """`size` different examples, by `generator` alone.

        Raises:
            DatasetError: the data set cannot give such a batch.
        """
        ...


class UniformBatches:
    """All examples are equally likely, whatever their classes."""

    def __call__(self, dataset: Dataset, size: int, generator: torch.Generator) -> Batch:
        """Implement `Dataset.batch`."""
        return dataset.batch(size, generator)


class SingleClassBatches:
    """Each batch is of one class, as of a client that has only that one (App. E.2, Table 8).

    The class is drawn among those with at least `size` examples, all equally likely, then the
    examples within it. Two batches may be of the same class.
    """

    def __call__(self, dataset: Dataset, size: int, generator: torch.Generator) -> Batch:
        """Implement `Drawing`; a batch larger than the largest class is refused."""
        labels = dataset.labels()
        counts = labels.bincount()
        large = torch.nonzero(counts >= size).flatten()
        if len(large) == 0:
            raise DatasetError(
                f"the largest class of data set {dataset.name!r} has {int(counts.max())} examples "
                f"and cannot give a batch of {size}; choose batch_size <= {int(counts.max())}."
            )
        label = large[torch.randint(len(large), (1,), generator=generator)]
        members = torch.nonzero(labels == label).flatten()
        order = torch.randperm(len(members), generator=generator)[:size]
        return dataset.collected(members[order].tolist())
