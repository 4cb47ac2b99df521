"""Gradient matching beside the authors' code: `python -m benchmarks.gradient_matching`.

PSNR and CPU seconds of `attack=geiping` on the reference problems, with the schedule of 1,000
iterations. The numbers beside them are constants in this file: they were measured with the authors'
code (breaching, attack "modern") on the same gradients, on one thread of an AMD EPYC, with other
random initial inputs. With `--breaching CLONE` they are measured anew, in turn with ours.
"""

import argparse
import os
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.breaching_modern import measure_theirs
from benchmarks.reference_problems import FOLDER, ReferenceProblem, load
from spear.baselines.gradient_matching.attack import GradientMatching
from spear.baselines.gradient_matching.regularisers import FeatureDistance, TotalVariation

MEASURED_WITH_THE_AUTHORS_CODE = (
    ("cifar10_b4_s0_norm", 0.1, 24.16, 9.7),
    ("cifar10_b20_s0_norm", 0.1, 19.51, 10.4),
    ("cifar10_b20_s0_norm", 0.001, 28.36, None),
    ("cifar10_b20_s0_raw", 0.1, 14.06, 12.7),
    ("cifar10_b20_s0_raw", 0.001, 17.33, None),
)
"""Problem, weight of the total variation (0.1 is the default), PSNR in dB, and CPU seconds for
1,000 iterations where they were noted."""


def measure(
    problem: ReferenceProblem, weight: float, iterations: int, seed: int
) -> tuple[float, float]:
    """Return PSNR in dB and CPU seconds for 1,000 iterations."""
    attack = GradientMatching(
        regularisers={"total_variation": TotalVariation(weight), "features": FeatureDistance()},
        iterations=iterations,
    )
    began = time.process_time()
    found = attack(attack.observe(problem.update), seed=seed)
    seconds = time.process_time() - began
    return problem.psnr(found.inputs), seconds / iterations * 1000


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--breaching", type=Path, metavar="CLONE", help="the authors' code")
    arguments = parser.parse_args()
    root = Path(os.environ.get("SPEAR_DATA", "data"))
    if not (root / FOLDER).is_dir():
        parser.error(f"{root / FOLDER} is not there; SPEAR_DATA names the folder of the data sets.")
    torch.set_num_threads(1)
    table = Table("problem", "TV weight", "PSNR [dB]", "authors'", "s / 1000", "authors'")
    run = (arguments.iterations, arguments.seed)
    for name, weight, decibels, seconds in MEASURED_WITH_THE_AUTHORS_CODE:
        problem = load(root, name)
        ours = measure(problem, weight, *run)
        if arguments.breaching:
            decibels, seconds = measure_theirs(arguments.breaching, problem, weight, *run)
        given = "" if seconds is None else f"{seconds:.1f}"
        table.add_row(
            name, f"{weight:g}", f"{ours[0]:.2f}", f"{decibels:.2f}", f"{ours[1]:.1f}", given
        )
    Console().print(table)


if __name__ == "__main__":
    main()
