"""Data sets: the embedded ones always, the others on the real files below $SPEAR_DATA."""

import gzip
import inspect
import os
import pickle
import shutil
import struct
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra.utils import get_class
from omegaconf import OmegaConf
from PIL import Image
from torch import Tensor
from torchvision.models import AlexNet_Weights

from spear.data import (
    CIFAR10,
    CIFAR100,
    EMNIST,
    MNIST,
    SVHN,
    Adult,
    Dataset,
    Digits,
    Faces,
    FashionMNIST,
    Harus,
    ImageNet,
    TinyImageNet,
)
from spear.errors import ConfigError, DatasetError

CONF = Path(__file__).parents[2] / "conf" / "dataset"
ON_DISK = {
    MNIST: "MNIST/raw",
    CIFAR10: "cifar-10-batches-py",
    TinyImageNet: "tiny-imagenet-200",
    ImageNet: "imagenet",
    Adult: "adult",
    FashionMNIST: "FashionMNIST/raw",
    EMNIST: "EMNIST/raw",
    SVHN: "train_32x32.mat",
    CIFAR100: "cifar-100-python",
    Harus: "UCI HAR Dataset",
}
ADULT_ROW = (
    "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male,"
    " 2174, 0, 40, United-States, <=50K"
)


def real_data(folder: str) -> Path:
    """The data root, if `folder` is in it."""
    if "SPEAR_DATA" not in os.environ:
        pytest.skip("SPEAR_DATA is not set")
    root = Path(os.environ["SPEAR_DATA"])
    if not (root / folder).exists():
        pytest.skip(f"SPEAR_DATA has no {folder}")
    return root


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def labels(dataset: Dataset) -> list[int]:
    return [dataset.example(i)[1] for i in range(len(dataset))]


def truncate(path: Path, n_bytes: int = 1) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-n_bytes])


def check_sentence(error: BaseException, *contents: object) -> None:
    """The message is one sentence in one line and contains every one of `contents`."""
    message = str(error)
    assert message.endswith(".")
    assert "\n" not in message
    for content in contents:
        assert str(content) in message


# The interface


@pytest.mark.parametrize("dataset", [Faces(), Digits(), Digits(normalize=False)])
def test_normalisation_is_undone_exactly(dataset):
    pixels = torch.stack([dataset.example(i)[0] for i in range(20)])
    sent = dataset.normalized(pixels)
    assert torch.equal(sent, pixels) != dataset.normalize
    torch.testing.assert_close(dataset.denormalized(sent), pixels, atol=1e-6, rtol=0)
    torch.testing.assert_close(dataset.denormalized(sent.flatten(1)), pixels, atol=1e-6, rtol=0)


@pytest.mark.parametrize("normalize", [True, False])
def test_the_domain_holds_every_example(normalize):
    faces = Faces(normalize=normalize)
    domain = faces.domain
    inputs = faces.batch(100, torch.Generator().manual_seed(0)).inputs
    assert domain.shape == domain.lower.shape == domain.upper.shape == faces.input_shape
    assert ((inputs >= domain.lower) & (inputs <= domain.upper)).all()
    pixels = faces.denormalized(torch.stack([domain.lower, domain.upper]))
    torch.testing.assert_close(
        pixels, torch.stack([torch.zeros(pixels[0].shape), torch.ones(pixels[0].shape)])
    )


def test_batches_depend_on_the_seed_alone_and_repeat_no_example():
    digits = Digits(normalize=False)
    first, again, other = (digits.batch(50, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.inputs, other.inputs)

    faces = Faces()
    whole = faces.batch(len(faces), seeded(0)).inputs
    assert len(torch.unique(whole, dim=0)) == len(faces)


def test_a_batch_is_what_the_network_receives():
    digits = Digits()
    batch = digits.batch(16, seeded(3))
    assert batch.inputs.shape == (16, 1, 8, 8)
    assert batch.inputs.dtype == torch.float32
    assert batch.labels.dtype == torch.int64
    known = {
        tuple(digits.example(i)[0].flatten().tolist()): digits.example(i)[1] for i in range(797)
    }
    pixels = (digits.denormalized(batch.inputs) * 16).round() / 16
    assert [known[tuple(x.flatten().tolist())] for x in pixels] == batch.labels.tolist()


def test_too_large_a_batch_is_refused():
    with pytest.raises(DatasetError, match="choose a batch of at most 100") as caught:
        Faces().batch(101, seeded(0))
    check_sentence(caught.value)


@pytest.mark.parametrize("file", sorted(CONF.glob("*.yaml")), ids=lambda file: file.stem)
def test_config_states_every_parameter_with_its_default(file):
    config = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    dataset = get_class(config.pop("_target_"))
    parameters = inspect.signature(dataset).parameters
    if "root" in parameters:
        assert config.pop("root") == "${data_root}"
    assert config.keys() == parameters.keys() - {"root"}
    stated = {k: v for k, v in config.items() if not str(v).startswith("${")}  # by the network
    assert stated == {name: parameters[name].default for name in stated}
    assert dataset.name == file.stem


@pytest.mark.parametrize("dataset", [Faces, Digits, *ON_DISK])
def test_labels_are_those_of_the_examples(dataset, monkeypatch):
    opened = dataset(real_data(ON_DISK[dataset])) if dataset in ON_DISK else dataset()
    some = range(0, len(opened), len(opened) // 50)
    expected = [opened.example(i)[1] for i in some]
    if dataset in ON_DISK:  # then without reading any example
        monkeypatch.setattr(dataset, "example", None)
    found = opened.labels()
    assert found.dtype == torch.int64
    assert len(found) == len(opened)
    assert found[list(some)].tolist() == expected


# Embedded data


@pytest.mark.parametrize("splits", [[Faces()], [Digits("train"), Digits("test")]])
def test_embedded_images_are_normalised_over_all_splits(splits):
    first = splits[0]
    assert {(each.mean, each.std) for each in splits} == {(first.mean, first.std)}
    every = torch.stack([each.example(i)[0] for each in splits for i in range(len(each))])
    assert every.shape[1:] == first.input_shape
    assert (every.min(), every.max()) == (0, 1)
    assert first.normalized(every).mean().abs() < 1e-5
    assert first.normalized(every).std().item() == pytest.approx(1, abs=1e-5)


def test_faces_are_100_different_images_with_ten_labels():
    faces = Faces()
    assert len(faces) == 100
    assert labels(faces) == [*range(10)] * 10
    images = torch.stack([faces.example(i)[0] for i in range(100)])
    assert len(torch.unique(images, dim=0)) == 100


def test_digits_are_those_of_scikit_learn():
    train, test = Digits("train"), Digits("test")
    assert (len(train), len(test)) == (1000, 797)
    assert labels(train)[:12] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    counts = Counter(labels(train) + labels(test))
    assert [counts[i] for i in range(10)] == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_images_are_normalised_by_published_numbers():
    """Those of ImageNet are torchvision's; of CIFAR-10 and MNIST, what tutorials round to."""
    imagenet = AlexNet_Weights.DEFAULT.transforms()
    for dataset in (ImageNet, TinyImageNet):
        assert [*dataset.mean] == imagenet.mean
        assert [*dataset.std] == imagenet.std
    assert CIFAR10.mean == pytest.approx((0.4914, 0.4822, 0.4465), abs=3e-4)
    assert CIFAR10.std == pytest.approx((0.2470, 0.2435, 0.2616), abs=1e-4)
    assert (MNIST.mean, MNIST.std) == ((0.1307,), (0.3081,))


# Real data


def test_mnist_is_normalised_over_its_train_split():
    packed = real_data("MNIST/raw") / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    with gzip.open(packed) as file:
        counts = np.bincount(np.frombuffer(file.read(), np.uint8, offset=16), minlength=256)
    grey = np.arange(256) / 255
    mean = np.average(grey, weights=counts)
    assert mean == pytest.approx(MNIST.mean[0], abs=1e-4)
    assert np.average((grey - mean) ** 2, weights=counts) ** 0.5 == pytest.approx(
        MNIST.std[0], abs=1e-4
    )


def test_cifar10_is_normalised_over_its_train_split():
    """A twentieth of it, whose means are those of all to within 0.004."""
    file = real_data("cifar-10-batches-py") / "cifar-10-batches-py" / "data_batch_1"
    with file.open("rb") as opened:
        raw = pickle.load(opened, encoding="bytes")[b"data"]  # noqa: S301
    pixels = raw[::4].reshape(-1, 3, 1024) / 255
    assert pixels.mean(axis=(0, 2)) == pytest.approx(CIFAR10.mean, abs=4e-3)
    assert pixels.std(axis=(0, 2)) == pytest.approx(CIFAR10.std, abs=4e-3)


@pytest.mark.parametrize(
    ("split", "size", "first", "counts"),
    [
        (
            "train",
            60_000,
            [5, 0, 4, 1, 9],
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        ),
        (
            "test",
            10_000,
            [7, 2, 1, 0, 4],
            [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
        ),
    ],
)
def test_mnist(split, size, first, counts):
    mnist = MNIST(real_data("MNIST/raw"), split)
    found = labels(mnist)
    assert len(mnist) == size
    assert found[:5] == first
    assert [found.count(i) for i in range(10)] == counts
    pixels = torch.stack([mnist.example(i)[0] for i in range(2000)])
    assert pixels.shape == (2000, 1, 28, 28)
    assert (pixels.min(), pixels.max()) == (0, 1)
    assert pixels.mean().item() == pytest.approx(mnist.mean[0], abs=0.01)
    assert pixels.std().item() == pytest.approx(mnist.std[0], abs=0.02)


def test_mnist_downloads_only_what_is_missing_and_reads_unpacked_files(tmp_path, monkeypatch):
    source = real_data("MNIST/raw") / "MNIST" / "raw"
    raw = tmp_path / "MNIST" / "raw"
    shutil.copytree(source, raw)
    raw.chmod(0o755)
    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    packed = MNIST(tmp_path, download=True)
    for file in raw.glob("*.gz"):
        file.unlink()
    unpacked = MNIST(tmp_path)
    assert torch.equal(packed.example(9)[0], unpacked.example(9)[0])
    assert labels(packed) == labels(unpacked)


def no_network(*_args, **_kwargs):
    raise urllib.error.URLError("no network\nin tests")


@pytest.mark.parametrize("dataset", [MNIST, CIFAR10, FashionMNIST, EMNIST, SVHN, CIFAR100])
def test_a_failed_download_is_one_sentence(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    with pytest.raises(DatasetError) as caught:
        dataset(tmp_path, download=True)
    check_sentence(caught.value, dataset.__name__, tmp_path)


def test_cifar10():
    root = real_data("cifar-10-batches-py")
    test = CIFAR10(root)
    assert len(test) == 10_000
    assert labels(test)[:10] == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert set(Counter(labels(test)).values()) == {1000}
    pixels = torch.stack([test.example(i)[0] for i in range(2000)])
    assert pixels.shape == (2000, 3, 32, 32)
    assert (pixels.min(), pixels.max()) == (0, 1)
    sent = test.normalized(pixels)
    assert sent.mean(dim=(0, 2, 3)).abs().max() < 0.1
    assert (sent.std(dim=(0, 2, 3)) - 1).abs().max() < 0.1
    torch.testing.assert_close(test.denormalized(sent), pixels, atol=1e-6, rtol=0)


def test_cifar10_train_is_whichever_batches_are_present(tmp_path):
    folder = real_data("cifar-10-batches-py") / "cifar-10-batches-py"
    (tmp_path / folder.name).mkdir()
    for i in (2, 5):
        (tmp_path / folder.name / f"data_batch_{i}").symlink_to(folder / "data_batch_1")
    train = CIFAR10(tmp_path, "train")
    assert len(train) == 20_000
    counts = Counter(labels(train)[:10_000])
    assert [counts[i] for i in range(10)] == [
        *(1005, 974, 1032, 1016, 999),
        *(937, 1030, 1001, 1025, 981),
    ]


def test_tiny_imagenet():
    root = real_data("tiny-imagenet-200")
    train, test = TinyImageNet(root, "train"), TinyImageNet(root)
    wnids = (root / "tiny-imagenet-200" / "wnids.txt").read_text().split()
    goldfish = sorted(wnids).index("n01443537")
    per_class = Counter(label for _, label in train._examples)
    assert len(per_class) == 10
    assert set(per_class.values()) == {120}
    assert goldfish in per_class
    assert Counter(label for _, label in test._examples) == dict.fromkeys(range(200), 20)
    assert train.example(0)[0].shape == (3, 64, 64)
    assert train.example(0)[1] == goldfish
    first = next(i for i, (path, _) in enumerate(test._examples) if path.name == "val_0.JPEG")
    assert test.example(first)[1] == sorted(wnids).index("n03444034")


def test_tiny_imagenet_turns_grey_files_into_three_equal_channels():
    test = TinyImageNet(real_data("tiny-imagenet-200"))
    grey = [i for i, (path, _) in enumerate(test._examples[:500]) if Image.open(path).mode == "L"]
    assert grey
    for i in grey:
        pixels, _ = test.example(i)
        assert torch.equal(pixels, pixels[:1].expand(3, 64, 64))


def test_imagenet_sample_is_untouched_at_its_own_resolution():
    root = real_data("imagenet-sample")
    imagenet = ImageNet(root, folder="imagenet-sample")
    table = pd.read_csv(root / "imagenet-sample" / "labels.csv")
    assert labels_by_path(imagenet) == dict(zip(table["file"], table["class_index"], strict=True))
    path, _ = imagenet._examples[7]
    pixels, _ = imagenet.example(7)
    assert torch.equal(
        (pixels * 255).byte(), torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)
    )


def labels_by_path(imagenet: ImageNet) -> dict[str, int]:
    return {"/".join(path.parts[-2:]): label for path, label in imagenet._examples}


@pytest.mark.parametrize("resolution", [224, 720])
def test_imagenet_resizes_and_crops_as_torchvision_does(resolution):
    from torchvision.transforms import CenterCrop, Compose, Resize, ToTensor

    root = real_data("imagenet-large")
    imagenet = ImageNet(root, resolution=resolution, folder="imagenet-large")
    assert [label for _, label in imagenet._examples] == [*range(60)]
    expected = Compose([Resize(resolution), CenterCrop(resolution), ToTensor()])
    for i in (0, 30, 59):
        pixels, label = imagenet.example(i)
        assert label == i
        assert torch.equal(pixels, expected(Image.open(imagenet._examples[i][0]).convert("RGB")))


def one_hot_parts(adult: Adult, inputs: Tensor) -> dict[str, Tensor]:
    widths = [column.width for column in adult._columns.values()]
    return dict(zip(adult._columns, inputs.split(widths, dim=1), strict=True))


def test_adult_one_hot():
    adult = Adult(real_data("adult"))
    assert len(adult) == 15_060
    assert adult.input_shape == (105,)
    assert sum(labels(adult)) == 3700
    parts = one_hot_parts(adult, adult._inputs)
    widths = {name: part.shape[1] for name, part in parts.items() if part.shape[1] > 1}
    assert [*widths.values()] == [8, 16, 7, 14, 6, 5, 2, 41]
    assert all((parts[name].sum(dim=1) == 1).all() for name in widths)
    assert adult._inputs.min() == 0
    assert adult._inputs.max() == 1
    assert [i for i, std in enumerate(adult.std) if std == 1] == [3]  # workclass Never-worked


def test_adult_ordinal():
    adult = Adult(real_data("adult"), split="train", encoding="ordinal")
    assert len(adult) == 30_162
    assert adult.input_shape == (14,)
    assert sum(labels(adult)) == 7508
    assert (adult._inputs.amin(dim=0) >= 0).all()
    assert (adult._inputs.amax(dim=0) <= 1).all()
    sent = adult.normalized(adult._inputs)
    assert sent.mean(dim=0).abs().max() < 1e-4
    torch.testing.assert_close(sent.std(dim=0), torch.ones(14), atol=1e-3, rtol=0)


@pytest.mark.parametrize("encoding", ["one_hot", "ordinal"])
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.few(1)
def test_adult_rows_come_back_from_what_the_network_receives(encoding, split):
    root = real_data("adult")
    adult = Adult(root, split, encoding=encoding)
    name = {"train": "adult.data", "test": "adult.test"}[split]
    rows = pd.read_csv(
        root / "adult" / name,
        names=[*adult._columns, "income"],
        skipinitialspace=True,
        skiprows=1 if split == "test" else 0,
    )
    rows = rows[(rows != "?").all(axis=1)].drop(columns="income").reset_index(drop=True)
    found = adult.inverse(adult.denormalized(adult.normalized(adult._inputs)))
    differs = (found != rows).any(axis=1)
    if split == "train":
        assert not differs.any()
    else:  # one person's fnlwgt is above every one of the train file
        assert rows[differs]["fnlwgt"].tolist() == [1490400]
        assert found[differs]["fnlwgt"].tolist() == [1484705]


def test_adult_scaling_does_not_depend_on_the_split():
    root = real_data("adult")
    train, test = Adult(root, "train"), Adult(root, "test")
    assert (train.mean, train.std) == (test.mean, test.std)
    assert train._columns == test._columns


def test_adult_can_keep_rows_with_missing_values():
    adult = Adult(real_data("adult"), split="train", drop_missing=False)
    assert len(adult) == 32_561
    assert adult.input_shape == (108,)
    assert (adult.inverse(adult._inputs)["workclass"] == "?").sum() == 1836


# Settings that cannot be


@pytest.mark.parametrize(
    ("make", "given", "allowed"),
    [
        (lambda: Digits("val"), "'val'", "train, test"),
        (lambda: MNIST(".", "val"), "'val'", "train, test"),
        (lambda: CIFAR10(".", "val"), "'val'", "train, test"),
        (lambda: TinyImageNet(".", "val"), "'val'", "train, test"),
        (lambda: ImageNet(".", "val"), "'val'", "train, test"),
        (lambda: ImageNet(".", resolution=0), "0", "positive"),
        (lambda: ImageNet(".", resolution="big"), "'big'", "positive"),
        (lambda: Adult(".", "val"), "'val'", "train, test"),
        (lambda: Adult(".", encoding="binary"), "'binary'", "one_hot, ordinal"),
    ],
)
def test_wrong_settings_are_refused(make, given, allowed):
    with pytest.raises(ConfigError) as caught:
        make()
    check_sentence(caught.value, given, allowed)


# Files that are missing or damaged


@pytest.mark.parametrize("dataset", ON_DISK, ids=lambda dataset: dataset.__name__)
@pytest.mark.parametrize("split", ["train", "test"])
def test_missing_files_are_named_with_where_to_get_them(dataset, split, tmp_path):
    with pytest.raises(DatasetError) as caught:
        dataset(tmp_path, split)
    check_sentence(caught.value, ON_DISK[dataset], tmp_path, "data_root=", "SPEAR_DATA", "http")


def write_mnist(root: Path, n: int = 3) -> Path:
    """A tiny MNIST test split under `root`; returns its folder."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    images = struct.pack(">4B3I", 0, 0, 8, 3, n, 28, 28) + bytes(range(256)) * n * 4
    with gzip.open(raw / "t10k-images-idx3-ubyte.gz", "wb") as file:
        file.write(images[: 16 + n * 784])
    with gzip.open(raw / "t10k-labels-idx1-ubyte.gz", "wb") as file:
        file.write(struct.pack(">4BI", 0, 0, 8, 1, n) + bytes(range(n)))
    return raw


@pytest.mark.parametrize("n_bytes", [1, 8, 20, 10_000])
@pytest.mark.parametrize("kind", ["images-idx3", "labels-idx1"])
def test_a_cut_mnist_file_is_named(kind, n_bytes, tmp_path):
    raw = write_mnist(tmp_path)
    assert labels(MNIST(tmp_path)) == [0, 1, 2]
    file = raw / f"t10k-{kind}-ubyte.gz"
    truncate(file, n_bytes)
    with pytest.raises(DatasetError) as caught:
        MNIST(tmp_path)
    check_sentence(caught.value, file, "replace it", "set download to true")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "t10k-images-idx3-ubyte",
            struct.pack(">4B3I", 0, 0, 8, 3, 3, 28, 28) + bytes(3 * 784 - 1),
        ),
        ("t10k-images-idx3-ubyte", struct.pack(">4B3I", 0, 0, 8, 3, 3, 32, 32) + bytes(3 * 1024)),
        ("t10k-images-idx3-ubyte", struct.pack(">4B3I", 0, 0, 13, 3, 3, 28, 28) + bytes(3 * 784)),
        ("t10k-labels-idx1-ubyte", struct.pack(">4BI", 0, 0, 8, 1, 2) + bytes(2)),
        ("t10k-labels-idx1-ubyte", struct.pack(">4BI", 0, 0, 8, 1, 3) + bytes([0, 1, 10])),
        ("t10k-labels-idx1-ubyte", b"\0\0"),
    ],
    ids=["short", "32x32", "not bytes", "a label missing", "no digit", "no header"],
)
def test_an_mnist_file_that_contradicts_itself_is_named(name, content, tmp_path):
    raw = write_mnist(tmp_path)
    (raw / f"{name}.gz").unlink()
    (raw / name).write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        MNIST(tmp_path)
    check_sentence(caught.value, raw / name)


def write_cifar10(root: Path, batch: object) -> Path:
    file = root / "cifar-10-batches-py" / "test_batch"
    file.parent.mkdir()
    file.write_bytes(pickle.dumps(batch, protocol=2))
    return file


GOOD_BATCH = {"data": np.arange(2 * 3072).astype(np.uint8).reshape(2, 3072), "labels": [3, 8]}


def test_cifar10_images_are_channels_then_rows(tmp_path):
    write_cifar10(tmp_path, GOOD_BATCH)
    pixels, label = CIFAR10(tmp_path).example(1)
    assert label == 8
    assert (pixels[1, 2, 3] * 255).round() == (3072 + 1024 + 2 * 32 + 3) % 256


@pytest.mark.parametrize("kept", [0, 1, 50, 150, 3000, -1])
def test_a_cut_cifar10_file_is_named(kept, tmp_path):
    file = write_cifar10(tmp_path, GOOD_BATCH)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(DatasetError) as caught:
        CIFAR10(tmp_path)
    check_sentence(caught.value, file, "replace it", "set download to true")


@pytest.mark.parametrize(
    "batch",
    [
        [1, 2],
        {"data": GOOD_BATCH["data"]},
        {**GOOD_BATCH, "data": GOOD_BATCH["data"][:, 1:]},
        {**GOOD_BATCH, "data": GOOD_BATCH["data"] / 255},
        {**GOOD_BATCH, "labels": [3]},
        {**GOOD_BATCH, "labels": [3, 10]},
        {**GOOD_BATCH, "labels": [3, [8]]},
    ],
    ids=["list", "no labels", "3071", "floats", "too few labels", "label 10", "nested"],
)
def test_a_pickle_that_is_no_cifar10_batch_is_named(batch, tmp_path):
    file = write_cifar10(tmp_path, batch)
    with pytest.raises(DatasetError) as caught:
        CIFAR10(tmp_path)
    check_sentence(caught.value, file)


class Malicious:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_a_malicious_pickle_is_refused_before_it_acts(tmp_path):
    mark = tmp_path / "executed"
    file = write_cifar10(tmp_path, {**GOOD_BATCH, "batch_label": Malicious(mark)})
    with pytest.raises(DatasetError) as caught:
        CIFAR10(tmp_path)
    check_sentence(caught.value, file, "mkdir")
    assert not mark.exists()
    pickle.loads(file.read_bytes())  # noqa: S301 - shows that the file does act where it is let
    assert mark.exists()


def write_image(path: Path, size: tuple[int, int] = (64, 64)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


@pytest.mark.parametrize("suffix", ["JPEG", "png"])
@pytest.mark.parametrize("kept", [0, 1, 10, 40, 200, 3000, 0.5, 0.95])
def test_a_cut_image_is_named(suffix, kept, tmp_path):
    file = write_image(tmp_path / "imagenet" / "3" / f"a.{suffix}")
    content = file.read_bytes()
    file.write_bytes(content[: kept if kept >= 1 or kept == 0 else int(kept * len(content))])
    imagenet = ImageNet(tmp_path, resolution=32)
    with pytest.raises(DatasetError) as caught:
        imagenet.example(0)
    check_sentence(caught.value, file, "replace it")


def test_imagenet_classes_are_numbers_or_ranks(tmp_path):
    write_image(tmp_path / "numbers" / "0007" / "a.JPEG", (40, 50))
    write_image(tmp_path / "numbers" / "900" / "b.png")
    write_image(tmp_path / "names" / "tench" / "images" / "a.jpg")
    write_image(tmp_path / "names" / "hen" / "b.JPEG")
    write_image(tmp_path / "flat" / "n00000002_x.JPEG")
    write_image(tmp_path / "flat" / "n00000001_y_z.JPEG")
    numbers, names, flat = (
        labels_by_path(ImageNet(tmp_path, folder=name)) for name in ("numbers", "names", "flat")
    )
    assert numbers == {"0007/a.JPEG": 7, "900/b.png": 900}
    assert names == {"hen/b.JPEG": 0, "images/a.jpg": 1}
    assert flat == {"flat/n00000001_y_z.JPEG": 0, "flat/n00000002_x.JPEG": 1}


def test_imagenet_split_is_a_folder_where_there_are_such_folders(tmp_path):
    train = write_image(tmp_path / "imagenet" / "train" / "n00000001" / "a.JPEG")
    with pytest.raises(DatasetError, match="val"):
        ImageNet(tmp_path)
    val = write_image(tmp_path / "imagenet" / "val" / "n00000001" / "b.JPEG")
    assert ImageNet(tmp_path, "train")._examples == [(train, 0)]
    assert ImageNet(tmp_path, "test")._examples == [(val, 0)]


@pytest.mark.parametrize("name", ["1000/a.JPEG", "ILSVRC2012_val_00000001.JPEG"])
def test_an_image_without_a_class_is_refused(name, tmp_path):
    write_image(tmp_path / "imagenet" / name)
    with pytest.raises(DatasetError) as caught:
        ImageNet(tmp_path)
    check_sentence(caught.value, tmp_path / "imagenet")


def write_tiny_imagenet(root: Path) -> Path:
    folder = root / "tiny-imagenet-200"
    write_image(folder / "val" / "images" / "val_0.JPEG")
    (folder / "wnids.txt").write_text("n00000002\nn00000001\n")
    (folder / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn00000002\t0\t0\t1\t1\n")
    return folder


def test_damaged_tiny_imagenet_files_are_named(tmp_path):
    folder = write_tiny_imagenet(tmp_path)
    assert TinyImageNet(tmp_path).example(0)[1] == 1
    image = folder / "val" / "images" / "val_0.JPEG"
    truncate(image, 500)
    with pytest.raises(DatasetError) as caught:
        TinyImageNet(tmp_path).example(0)
    check_sentence(caught.value, image)
    image.unlink()
    with pytest.raises(DatasetError) as caught:
        TinyImageNet(tmp_path).example(0)
    check_sentence(caught.value, image)
    (folder / "wnids.txt").write_text("n00000001\n")
    with pytest.raises(DatasetError) as caught:
        TinyImageNet(tmp_path)
    check_sentence(caught.value, folder / "wnids.txt", "n00000002")
    (folder / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn00000001\nval_1.JP")
    with pytest.raises(DatasetError) as caught:
        TinyImageNet(tmp_path)
    check_sentence(caught.value, folder / "val" / "val_annotations.txt")


def write_adult(root: Path, test: str) -> Path:
    folder = root / "adult"
    folder.mkdir()
    (folder / "adult.data").write_text(f"{ADULT_ROW}\n{ADULT_ROW.replace('39', '40')}\n\n")
    (folder / "adult.test").write_text(test)
    return folder / "adult.test"


def test_adult_constant_features_have_std_one(tmp_path):
    write_adult(tmp_path, f"|1x3 Cross validator\n{ADULT_ROW}.\n\n")
    adult = Adult(tmp_path)
    assert adult.std == (0.5, *[1] * 13)
    assert torch.isfinite(adult.batch(1, seeded(0)).inputs).all()


@pytest.mark.parametrize(
    ("test", "why"),
    [
        (f"{ADULT_ROW}.\n{ADULT_ROW[:50]}", "line 2 has"),
        (f"{ADULT_ROW}, 1\n", "line 1 has 16 of 15"),
        (ADULT_ROW[:-1], "'<=50'"),
        (ADULT_ROW.replace("39", "old"), "old"),
        (ADULT_ROW.replace("Male", "Mail"), "'Mail' is not a category"),
        ("", "no rows"),
        ("\0\xff", "line 1"),
    ],
    ids=["cut", "too long", "income cut", "no number", "category", "empty", "binary"],
)
def test_a_damaged_adult_file_is_named(test, why, tmp_path):
    file = write_adult(tmp_path, test)
    with pytest.raises(DatasetError) as caught:
        Adult(tmp_path)
    check_sentence(caught.value, file, why, "replace it")
