"""Kills a sweep again and again and counts repeated batches: `python -m benchmarks.killed_sweeps`.

A sweep of 40 jobs is run once undisturbed, job by job. Under each launcher it is then killed
(SIGKILL to all of its processes) at random moments, resumed by the same command each time, and at
last left to end. Both must collect the same, except for times. No recorded batch may be computed
again, only those that were running when a kill came.

With `--alone` only the process that was started is killed: its workers, where the launcher does not
end them, still compute while the same command runs again.
"""

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from spear.analysis.records.collect import collect
from spear.client.defenses import NoDefense
from spear.data import Batch
from spear.seeding import Stream, batch_seed

N_BATCHES = 3
SIZES = (2, 3, 4, 5)
LOG = "COUNTED_LOG"
"""Environment variable with the log's path; it also marks the processes of a sweep."""

ALL_AT_ONCE = {"submitit_local": ("hydra.sweeper.max_batch_size=4",)}
"""Launchers that start every job at the same time unless told not to."""

Numbers = tuple[int, int, int]
"""Size of a batch, seed of its job, number of the batch."""


class Counted(NoDefense):
    """Client that logs a line for each batch that it begins, then pauses.

    Args:
        pause: seconds of the pause.
    """

    def __init__(self, pause: float) -> None:
        self.pause = pause

    def gradient(
        self, network: nn.Module, loss: nn.Module, batch: Batch, generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        """Log the batch, pause, and return the gradient unchanged."""
        assert generator is not None
        with Path(os.environ[LOG]).open("a") as file:
            file.write(f"{len(batch.labels)} {generator.initial_seed()}\n")
        time.sleep(self.pause)
        return super().gradient(network, loss, batch, generator)


@dataclass
class Sweep:
    """The sweep under one launcher, in a folder of its own.

    Attributes:
        launcher: name of Hydra's launcher.
        seeds: number of seeds; there are four jobs for each.
        folder: folder for everything that it writes.
        tracking: `off` or `offline`.
    """

    launcher: str
    seeds: int
    folder: Path
    tracking: str = "off"

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.log.touch()

    @property
    def log(self) -> Path:
        """Path of the log that `Counted` writes."""
        return self.folder / "begun.log"

    def start(self) -> subprocess.Popen[bytes]:
        """Start the command, the same each time."""
        overrides = [
            f"hydra/launcher={self.launcher}", f"output_root={self.folder / 'out'}",
            "dataset=digits", f"n_batches={N_BATCHES}", f"tracking={self.tracking}",
            "defense._target_=benchmarks.killed_sweeps.Counted", "+defense.pause=0.2",
            f"batch_size={','.join(map(str, SIZES))}", f"seed=range({self.seeds})",
            "attack.time_limit=null", "attack.max_starts=500",  # end alike on a busy machine
            *ALL_AT_ONCE.get(self.launcher, ()),
        ]  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "spear.experiments.cli.entry", "-m", *overrides],
            env={**os.environ, LOG: str(self.log), "SPEAR_PACKAGES": "benchmarks"},
            stdout=(self.folder / "said.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def jobs(self) -> list[Path]:
        """Return the run folders."""
        return [path.parent for path in sorted(self.folder.glob("out/main/*/config.yaml"))]

    def begun(self) -> list[Numbers]:
        """Return every batch that was begun, in order."""
        known = {
            (size, batch_seed(seed, k, Stream.CLIENT)): (size, seed, k)
            for size in SIZES
            for seed in range(self.seeds)
            for k in range(N_BATCHES)
        }
        lines = self.log.read_text().splitlines()
        return [known[int(size), int(seed)] for size, seed in map(str.split, lines)]

    def recorded(self) -> set[Numbers]:
        """Return every batch that has a row."""
        found: set[Numbers] = set()
        for path in self.folder.glob("out/main/*/batches.csv"):
            config = OmegaConf.load(path.with_name("config.yaml"))
            with path.open(newline="") as file:
                rows = csv.DictReader(file)
                found |= {(config.batch_size, config.seed, int(row["batch"])) for row in rows}
        return found

    def collected(self) -> list[dict[str, str]]:
        """Return the collected batches without times."""
        (collected,) = collect([self.folder / "out" / "main"], self.folder / "collected")
        with (collected.folder / "batches.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]

    def processes(self) -> list[psutil.Process]:
        """Return all running processes of the sweep, whatever their parents."""
        found = []
        for each in psutil.process_iter():
            with suppress(psutil.Error):
                if each.environ().get(LOG) == str(self.log):
                    found.append(each)
        return found


def kill(process: subprocess.Popen[bytes], sweep: Sweep, alone: bool) -> None:
    """Send SIGKILL to the process of a sweep, and unless `alone` to all that it has started."""
    process.kill()
    process.wait()
    while not alone and (others := sweep.processes()):
        for each in others:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(others)


def finish(sweep: Sweep) -> None:
    """Run the command to its end, a second time if it met workers of an earlier run."""
    code = sweep.start().wait()
    while sweep.processes():
        time.sleep(1)
    if code:
        sweep.start().wait()


def wait_for(process: subprocess.Popen[bytes], sweep: Sweep, more: int, delay: float) -> None:
    """Wait until `more` further batches have begun, then `delay` seconds."""
    target = len(sweep.begun()) + more
    while process.poll() is None and len(sweep.begun()) < target:
        time.sleep(0.05)
    time.sleep(delay)


def disturbed(sweep: Sweep, kills: int, alone: bool, chance: random.Random) -> tuple[int, int]:
    """Kill a sweep at random moments and let it end.

    Returns:
        The number of batches that were begun again, and of those among them that had been recorded.
    """
    recorded_again = 0
    for number in range(kills + 1):
        already, before = sweep.recorded(), len(sweep.begun())  # in this order: workers go on
        if number < kills:
            process = sweep.start()
            wait_for(process, sweep, chance.randrange(12), chance.uniform(0, 1))
            kill(process, sweep, alone)
        else:
            finish(sweep)
        recorded_again += sum(each in already for each in sweep.begun()[before:])
        print(f"  run {number}: {len(sweep.begun()) - before} batches begun", flush=True)
    begun = sweep.begun()
    return len(begun) - len(set(begun)), recorded_again


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("launchers", nargs="+", help="basic, joblib, submitit_local, ray")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument(
        "--seeds", type=int, default=10, help="number of seeds; there are four jobs for each"
    )
    parser.add_argument(
        "--alone", action="store_true", help="kill only the launcher, not its workers"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole = Sweep("basic", chosen.seeds, Path(folder) / "undisturbed")
        whole.start().wait()
        expected = whole.collected()
        print("| launcher | jobs | batches | kills | begun again | recorded, and again | same |")
        for launcher in chosen.launchers:
            sweep = Sweep(launcher, chosen.seeds, Path(folder) / launcher)
            again, wrong = disturbed(sweep, chosen.kills, chosen.alone, random.Random(launcher))
            same = "yes" if sweep.collected() == expected else "NO"
            jobs = len(SIZES) * chosen.seeds
            cells = (launcher, jobs, len(expected), chosen.kills, again, wrong, same)
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
