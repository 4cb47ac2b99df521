"""Different examples behind each record: `python -m benchmarks.examples_behind_records`.

Draws the batches of every recorded job anew, and counts the data set's examples and classes in
them. Writes `analysis/records/examples.csv`, which captions and docs/data.md show. SPEAR_DATA names
the folder of the data sets. If one is missing, the table is left as it was, and the exit status is
1. With `--verify`, whole batches are drawn, and it ends with an error if the data hash of any job
is not the recorded one.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from rich.progress import track
from torch import Tensor

from spear.analysis.records.examples import COLUMNS, EXAMPLES
from spear.analysis.records.store import RESULTS, read
from spear.data import Batch, Dataset, NoAugmentation, UniformBatches
from spear.errors import SpearError
from spear.experiments.config.moved import replace_old_targets
from spear.experiments.job.resume import hash_batch
from spear.seeding import Stream, batch_generator


class Counted(Dataset):
    """Stand-in for a data set: notes which examples are asked for, and reads none.

    Args:
        dataset: the data set whose size and labels it has.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.name, self.input_shape, self.normalize = dataset.name, (1,), False
        self.n_classes, self._size = dataset.n_classes, len(dataset)
        self._labels = dataset.labels()
        self.seen: set[int] = set()

    def __len__(self) -> int:
        return self._size

    def labels(self) -> Tensor:
        """Implement `Dataset`."""
        return self._labels

    def example(self, index: int) -> tuple[Tensor, int]:
        """Note the index; return an empty example of its class."""
        self.seen.add(index)
        return torch.zeros(1), int(self._labels[index])

    def classes(self) -> int:
        """Return the number of different classes among the examples asked for."""
        return len(set(self._labels[sorted(self.seen)].tolist()))


def rows(experiment: str, root: Path, verify: bool) -> Iterator[list[Any]]:
    """Yield a row of `COLUMNS` for each job of an experiment.

    Raises:
        SpearError: a data set is missing.
        SystemExit: the data are not those recorded.
    """
    jobs = [each for recorded in read(RESULTS / experiment) for each in recorded.jobs.items()]
    for name, job in jobs:
        config, summary = job["config"], job["summary"]
        settings = {**config["dataset"]}
        if "root" in settings:
            settings["root"] = str(root)
        dataset = made(json.dumps(settings))
        counted, digest = Counted(dataset), hashlib.sha256()
        first = config.get("first_batch", 0)
        for k in range(first, first + summary["n_batches"]):
            drawn(counted, config, k)
            if verify:
                hash_batch(digest, drawn(dataset, config, k))
        if verify and digest.hexdigest() != summary["data_hash"]:
            raise SystemExit(f"{experiment}, job {name}: the data are not those recorded.")
        split, size = settings.get("split", ""), config["batch_size"]
        yield [
            experiment, summary["dataset"], split, len(dataset), size, summary["n_batches"],
            len(counted.seen), counted.classes(), summary["data_hash"],
        ]  # fmt: skip


def drawn(dataset: Dataset, config: dict[str, Any], k: int) -> Batch:
    """Return batch k of a recorded job."""
    drawing = made(json.dumps(config["drawing"])) if config.get("drawing") else UniformBatches()
    chosen = config.get("augmentation")
    augment = made(json.dumps(chosen)) if chosen else NoAugmentation()
    generator = batch_generator(config["seed"], k, Stream.DATA)
    drawn = drawing(dataset, augment.examples(config["batch_size"]), generator)
    batch: Batch = augment(drawn, dataset.n_classes, generator)
    return batch


@cache
def made(settings: str) -> Any:
    """Return the object of a recorded group of settings, whose target may have an old name.

    Raises:
        SpearError: its class refuses, such as a data set whose files are missing.
    """
    node = OmegaConf.create({"it": json.loads(settings)})
    replace_old_targets(node)
    try:
        return instantiate(node.it)
    except InstantiationException as error:
        if isinstance(error.__cause__, SpearError):
            raise error.__cause__ from None
        raise


@contextmanager
def or_left(table: Path) -> Iterator[None]:
    """End the command with one sentence if the table cannot be computed.

    Raises:
        SystemExit: with exit status 1, in place of a `SpearError`.
    """
    try:
        yield
    except SpearError as error:
        raise SystemExit(f"{table.name} is left as it was: {error}") from error


def main(argv: Sequence[str] | None = None) -> None:
    """Count the examples of all records, and write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.examples_behind_records", description=__doc__)
    parser.add_argument("experiments", nargs="*", help="names [all that have records]")
    parser.add_argument("--verify", action="store_true", help="compare the data hash of each job")
    chosen = parser.parse_args(argv)
    root = Path(os.environ.get("SPEAR_DATA", "data"))
    names = chosen.experiments or sorted(each.parent.name for each in RESULTS.glob("*/jobs.json"))
    with or_left(EXAMPLES):
        found = [row for name in track(names) for row in rows(name, root, chosen.verify)]
    table = pd.DataFrame(found, columns=COLUMNS).drop_duplicates()
    if chosen.experiments:
        sys.stdout.write(table.to_csv(index=False))
    else:
        table.to_csv(EXAMPLES, index=False)


if __name__ == "__main__":
    main()
