"""Human activity recognition with smartphones, from its text files."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spear.data.base import SPLITS, Dataset, check_choice, missing, unreadable

SOURCE = "https://archive.ics.uci.edu/dataset/240 (unpack it there)"
FOLDER = "UCI HAR Dataset"
N_FEATURES = 561


class Harus(Dataset):
    """Readings of a smartphone's sensors during six activities (Anguita et al., UCI, 2013).

    561 features a row. As in the code of the peeling paper (arXiv 2609.09659), each is scaled so
    that the train split fills [0, 1]; the test split may go beyond. Normalisation is by mean and
    standard deviation of the train split.

    Args:
        root: folder that contains `UCI HAR Dataset`.
        split: "train" or "test".
        normalize: whether the network sees normalised rows.

    Raises:
        ConfigError: there is no such split.
        DatasetError: a file is missing or damaged.
    """

    name = "harus"
    input_shape = (N_FEATURES,)
    n_classes = 6
    is_image = False

    def __init__(self, root: str | Path, split: str = "test", normalize: bool = False) -> None:
        check_choice("split", split, SPLITS)
        self.normalize = normalize
        train = _read(root, "train")
        low, high = train[0].amin(dim=0), train[0].amax(dim=0)
        width = torch.where(high > low, high - low, torch.ones_like(low))
        rows, self._labels = train if split == "train" else _read(root, split)
        self._rows = ((rows - low) / width).float()
        scaled = (train[0] - low) / width
        deviations = scaled.std(dim=0)
        self.mean = tuple(scaled.mean(dim=0).tolist())
        self.std = tuple(deviations.where(deviations > 0, torch.ones_like(low)).tolist())

    def __len__(self) -> int:
        return len(self._rows)

    def example(self, index: int) -> tuple[Tensor, int]:
        """Return a row (561) and its activity, 0 to 5."""
        return self._rows[index], int(self._labels[index])

    def labels(self) -> Tensor:
        """Implement `Dataset`."""
        return self._labels


def _read(root: str | Path, split: str) -> tuple[Tensor, Tensor]:
    """Rows (float64) and labels from 0 of a split."""
    names = [f"{FOLDER}/{split}/{letter}_{split}.txt" for letter in "Xy"]
    absent = [each for each in names if not (Path(root) / each).is_file()]
    if absent:
        raise missing(" and ".join(absent), root, SOURCE)
    paths = [Path(root) / each for each in names]
    read = []
    for path in paths:
        try:
            read.append(torch.from_numpy(np.loadtxt(path, ndmin=2)))
        except (ValueError, OSError) as error:
            raise unreadable(path, error, SOURCE) from error
    rows, labels = read[0], read[1].flatten().long() - 1
    if rows.shape[1] != N_FEATURES:
        reason = f"its rows have {rows.shape[1]} numbers, not {N_FEATURES}"
        raise unreadable(paths[0], reason, SOURCE)
    if len(labels) != len(rows) or labels.min() < 0 or labels.max() >= Harus.n_classes:
        reason = f"it does not hold one of the activities 1 to 6 for each of {len(rows)} rows"
        raise unreadable(paths[1], reason, SOURCE)
    return rows, labels
