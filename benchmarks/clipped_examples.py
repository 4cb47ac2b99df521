"""Clipped examples behind the records of Table 9: `python -m benchmarks.clipped_examples`.

Draws the recorded batches anew, makes their networks as recorded, and counts for each C the
examples whose own gradient is longer. Writes `analysis/records/clipped.csv`, which Table 9 shows
for records that do not have the share themselves. SPEAR_DATA names the folder of the data sets. If
they are missing or not those recorded, the table is left as it was, and the exit status is 1.
"""

import argparse
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from benchmarks.examples_behind_records import drawn, made, or_left
from spear.analysis.records.clipped import CLIPPED, COLUMNS
from spear.analysis.records.store import RESULTS, read
from spear.client.defenses import example_norms
from spear.experiments.job.resume import hash_batch

EXPERIMENTS = ("table9", "table9_noise_per_example", "table9_noise_on_sum", "table9_sampling")


def rows(experiment: str, root: Path) -> Iterator[list[Any]]:
    """Yield a row of `COLUMNS` for each job of an experiment.

    Args:
        experiment: one with records of DP-SGD.
        root: folder of the data sets.

    Raises:
        SpearError: a data set is missing.
        SystemExit: the data are not those recorded.
    """
    for recorded in read(RESULTS / experiment):
        for job in recorded.jobs.values():
            config, summary = job["config"], job["summary"]
            keys = ("dataset", "drawing", "augmentation", "network", "batch_size", "seed")
            settings = {key: config[key] for key in keys if key in config}
            if "root" in settings["dataset"]:
                settings["dataset"] = {**settings["dataset"], "root": str(root)}
            first = config.get("first_batch", 0)
            numbers = (first, first + summary["n_batches"])
            norms, digest = norms_of(json.dumps(settings), *numbers)
            if digest != summary["data_hash"]:
                raise SystemExit(f"{experiment}: the data are not those recorded.")
            most = float(config["defense"]["max_norm"])
            over = int((norms > most).sum())
            yield [digest, most, summary["n_batches"], len(norms), over]


@cache
def norms_of(settings: str, first: int, end: int) -> tuple[Tensor, str]:
    """Return the norm of the gradient of each example, and the hash of all batches.

    Args:
        settings: what a job's configuration says of its data and network, as JSON.
        first, end: number of the first batch, and one more than that of the last.
    """
    config = json.loads(settings)
    dataset = made(json.dumps(config["dataset"]))
    make = made(json.dumps({**config["network"], "_partial_": True}))
    network = make(input_shape=dataset.input_shape, n_classes=dataset.n_classes)
    norms, digest = [], hashlib.sha256()
    for k in range(first, end):
        batch = drawn(dataset, config, k)
        hash_batch(digest, batch)
        norms.append(example_norms(network, nn.CrossEntropyLoss(), batch))
    return torch.cat(norms), digest.hexdigest()


def main(argv: Sequence[str] | None = None) -> None:
    """Count the clipped examples, and write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.clipped_examples", description=__doc__)
    parser.parse_args(argv)
    torch.set_num_threads(1)
    root = Path(os.environ.get("SPEAR_DATA", "data"))
    with or_left(CLIPPED):
        found = [row for name in EXPERIMENTS for row in rows(name, root)]
    table = pd.DataFrame(found, columns=COLUMNS).drop_duplicates()
    table.sort_values(["data_hash", "C"]).to_csv(CLIPPED, index=False)


if __name__ == "__main__":
    main()
