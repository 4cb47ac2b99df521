"""Cost of recording, resuming and tracking: `python -m benchmarks.recording`.

Jobs whose batches take half a second each, side by side: with nothing recorded at all, recorded
with tracking off, and recorded with an offline W&B run. Jobs of two lengths tell the cost per batch
from the cost per job.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from omegaconf import open_dict

from benchmarks.killed_sweeps import LOG
from spear.data import Batch
from spear.experiments.cli.run import run
from spear.experiments.cli.start import perform
from spear.experiments.config.schema import CONF
from spear.experiments.config.spec import JobSpec

SECONDS = 0.5
SHORT, LONG = 2, 12


class Took(NamedTuple):
    """Seconds by the clock, and CPU seconds of this process."""

    wall: float
    cpu: float


class Nothing:
    """Stand-in for a job that records nothing."""

    progress = None

    def __init__(self, n_batches: int) -> None:
        self.n_batches = n_batches

    def begin(self, draw: Callable[[int], Batch]) -> bool:
        """Return that every batch is left to do."""
        return True

    def batches(self) -> Iterator[int]:
        """Yield the number of every batch."""
        yield from range(self.n_batches)

    def picture(self, *seen: object) -> None:
        """Do nothing."""

    rows = record = picture


def seconds(tracking: str | None, n_batches: int, folder: str) -> Took:
    """Return the seconds of a whole job; one without any record if `tracking` is None."""
    overrides = [
        "dataset=digits", "batch_size=4", f"n_batches={n_batches}", f"output_root={folder}",
        "device=cpu", "defense._target_=benchmarks.killed_sweeps.Counted",
        f"+defense.pause={SECONDS}", f"tracking={tracking or 'off'}",
    ]  # fmt: skip
    config = compose("config", overrides, return_hydra_config=True)
    with open_dict(config):
        config.hydra.runtime.output_dir = f"{folder}/{tracking}-{n_batches}-{time.monotonic_ns()}"
        HydraConfig.instance().set_config(config)
        del config["hydra"]
    start = Took(time.perf_counter(), time.process_time())
    if tracking is None:
        job: Any = Nothing(n_batches)
        run(JobSpec.of(config, {}), job)
    else:
        perform(config)
    return Took(time.perf_counter() - start.wall, time.process_time() - start.cpu)


def main() -> None:
    """Print the cost per batch and per job."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    os.environ |= {LOG: os.devnull, "SPEAR_PACKAGES": "benchmarks"}
    setup_globals()
    modes = (None, "off", "offline")
    took: dict[tuple[str | None, int], list[Took]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        initialize_config_dir(str(CONF), version_base="1.3"),
    ):
        for mode in modes:
            seconds(mode, 1, folder)  # the first imports and starts things
        for _ in range(rounds):
            for n in (SHORT, LONG):
                for mode in modes:
                    took.setdefault((mode, n), []).append(seconds(mode, n, folder))
    print("| tracking | seconds | per batch | more than unrecorded | more per job |")
    print("| --- | --- | --- | --- | --- |")
    for kind in Took._fields:
        median = {
            key: statistics.median(getattr(each, kind) for each in values)
            for key, values in took.items()
        }
        bare = (median[None, LONG] - median[None, SHORT]) / (LONG - SHORT)
        for mode in modes:
            batch = (median[mode, LONG] - median[mode, SHORT]) / (LONG - SHORT)
            more = median[mode, SHORT] - median[None, SHORT] - SHORT * (batch - bare)
            share = (batch - bare) / SECONDS
            print(f"| {mode or 'no record'} | {kind} | {batch:.4f} | {share:.1%} | {more:.2f} |")


if __name__ == "__main__":
    main()
