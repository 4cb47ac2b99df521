"""Attacks in units of one SVD of the gradient they invert: python -m benchmarks.decompositions

Every attack gets the same batches, one after the other in one run on one thread, and the thin SVD
of the first layer's gradient is timed beside them, in the precision of the client and in float64.
Printed are CPU seconds, which other work on the machine does not change much, the same in SVDs in
float64, and the status. `--overrides` are those of the command line, such as `batch_size=100`.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from spear.client.client import Client
from spear.data.base import Batch
from spear.experiments.config.build import build, resolve_device
from spear.experiments.config.schema import CONF, register
from spear.seeding import Stream, batch_generator, batch_seed
from spear.update import Update

Result = TypeVar("Result")

DEFAULT = ("dataset=tiny_imagenet", "network.width=2000", "batch_size=200")


def configuration(overrides: list[str]) -> DictConfig:
    """Return the configuration that the command line would give, on a device of this machine."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides)
    config.device = resolve_device(config.device)
    return config


def shared(config: DictConfig, index: int) -> Update:
    """Return the update that a client shares of batch `index`."""
    dataset = build(config, "dataset")
    network = build(config, "network", input_shape=dataset.input_shape, n_classes=dataset.n_classes)
    generator = batch_generator(config.seed, index, Stream.DATA)
    batch: Batch = dataset.batch(config.batch_size, generator)
    return Client(network).share(batch)


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """Return CPU seconds of some work, and its result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def rows(overrides: list[str], attacks: list[str], index: int) -> list[tuple[str, float, str]]:
    """Return what was done, its CPU seconds, and the status, for one batch."""
    config = configuration(overrides)
    update = shared(config, index)
    gradient = update.observe(1).weight_gradient
    double = gradient.double()
    found = []
    for name, matrix in (("SVD, float64", double), ("SVD, as shared", gradient)):
        seconds, _ = timed(partial(torch.linalg.svd, matrix, full_matrices=False))
        found.append((name, seconds, ""))
    for name in attacks:
        chosen = configuration([*overrides, f"attack={name}", "attack.time_limit=null"])
        attack = build(chosen, "attack")
        observation = attack.observe(update)
        seed = batch_seed(config.seed, index, Stream.ATTACK)
        seconds, result = timed(partial(attack, observation, seed=seed))
        found.append((name, seconds, str(result.status)))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attacks", nargs="*", default=["spear_peeling", "spear_irls"])
    parser.add_argument("--batches", type=int, default=1)
    parser.add_argument("--overrides", nargs="*", default=[])
    chosen = parser.parse_args(arguments)
    register()
    torch.set_num_threads(1)
    given = {each.partition("=")[0] for each in chosen.overrides}
    kept = [each for each in DEFAULT if each.partition("=")[0] not in given]
    overrides = [*kept, *chosen.overrides]
    table = Table("batch", "what", "CPU [s]", "SVDs", "status")
    for index in range(chosen.batches):
        measured = rows(overrides, chosen.attacks, index)
        unit = measured[0][1]
        for name, seconds, status in measured:
            table.add_row(str(index), name, f"{seconds:.1f}", f"{seconds / unit:.2f}", status)
    Console().print(table)


if __name__ == "__main__":
    main()
