"""Data sets of the peeling paper that users bring, on small files of the same format."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from spear.data import EMNIST, FashionMNIST, Harus
from spear.errors import DatasetError


def write_idx(path: Path, values: np.ndarray) -> None:
    head = struct.pack(">BBBB", 0, 0, 8, values.ndim) + struct.pack(
        f">{values.ndim}I", *values.shape
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + values.tobytes())


@pytest.mark.parametrize(
    ("dataset", "folder", "prefix"),
    [
        (FashionMNIST, "FashionMNIST/raw", {"train": "train", "test": "t10k"}),
        (EMNIST, "EMNIST/raw",
         {"train": "emnist-byclass-train", "test": "emnist-byclass-test"}),
    ],
)  # fmt: skip
def test_images_are_those_of_the_files(dataset, folder, prefix, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
    labels = np.array([2, 0, 9], dtype=np.uint8)
    for each in prefix.values():
        write_idx(tmp_path / folder / f"{each}-images-idx3-ubyte", images)
        write_idx(tmp_path / folder / f"{each}-labels-idx1-ubyte", labels)
    for split in prefix:
        found = dataset(tmp_path, split, normalize=False)
        batch = found.collected([0, 1, 2])
        assert torch.equal(batch.inputs, torch.from_numpy(images)[:, None] / 255)
        assert batch.labels.tolist() == found.labels().tolist() == labels.tolist()


def rows_of(split: str, folder: Path, rows: np.ndarray, labels: list[int]) -> None:
    (folder / split).mkdir(parents=True, exist_ok=True)
    np.savetxt(folder / split / f"X_{split}.txt", rows)
    np.savetxt(folder / split / f"y_{split}.txt", labels, fmt="%d")


def test_rows_are_scaled_by_the_train_split(tmp_path):
    folder = tmp_path / "UCI HAR Dataset"
    drawn = np.random.default_rng(0)
    train, test = drawn.uniform(-1, 1, (4, 561)), drawn.uniform(-1, 1, (2, 561))
    train[:, 0] = 0.5  # a constant feature
    rows_of("train", folder, train, [1, 2, 6, 1])
    rows_of("test", folder, test, [5, 3])
    found = Harus(tmp_path, "train")
    rows = found.collected(range(4)).inputs
    assert (rows[:, 1:].amin(dim=0) == 0).all()
    assert (rows[:, 1:].amax(dim=0) == 1).all()
    assert found.labels().tolist() == [0, 1, 5, 0]
    expected = (test - train.min(axis=0)) / np.where(
        np.ptp(train, axis=0), np.ptp(train, axis=0), 1
    )
    assert np.allclose(Harus(tmp_path).collected([0, 1]).inputs, expected, atol=1e-6)
    sent = Harus(tmp_path, "train", normalize=True)
    assert torch.allclose(sent.collected(range(4)).inputs.mean(dim=0), torch.zeros(561), atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        (np.ones((2, 5)), [1, 2], "its rows have 5 numbers, not 561"),
        (np.ones((2, 561)), [1, 9], "one of the activities 1 to 6 for each of 2 rows"),
    ],
)
def test_damaged_files_are_named(rows, labels, message, tmp_path):
    rows_of("train", tmp_path / "UCI HAR Dataset", rows, labels)
    with pytest.raises(DatasetError, match=message):
        Harus(tmp_path, "train")
