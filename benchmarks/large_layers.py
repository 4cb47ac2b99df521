"""Time and memory of the search on large layers: `python -m benchmarks.large_layers`.

Gradients of random inputs, made in place of a network of that size; each layer in a process of its
own, so that its peak memory is its own. Among them are Tiny ImageNet at width 2000 and the
first linear layer of VGG16 (25088 x 4096, Table 6).
"""

import argparse
import multiprocessing
import resource
import time

import torch
from rich.console import Console
from rich.table import Table

from spear.inversion import SpearIrls
from spear.inversion.factors.factorization import factorize
from spear.observation import Observation

LAYERS = ((200, 3072, 20), (2000, 12288, 20), (2000, 12288, 100), (4096, 25088, 16), (9000, 64, 20))
"""m, n and b."""


def observation(m: int, n: int, b: int) -> Observation:
    """Return the update of a layer at PyTorch's initialisation, with a random loss behind it."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(b, n, generator=generator)
    weight = (2 * torch.rand(m, n, generator=generator) - 1) / n**0.5
    bias = (2 * torch.rand(m, generator=generator) - 1) / n**0.5
    active = weight @ inputs.T + bias[:, None] > 0
    gradients = active * torch.randn(m, b, generator=generator)
    return Observation(weight, bias, gradients @ inputs, gradients.sum(dim=1))


def measure(m: int, n: int, b: int) -> tuple[float, float, str, float]:
    """Return seconds of factorisation and attack, the status, and peak memory in GiB."""
    torch.set_num_threads(1)
    observed = observation(m, n, b)
    start = time.perf_counter()
    factorize(observed)
    middle = time.perf_counter()
    found = SpearIrls(time_limit=None)(observed)
    end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return middle - start, end - middle, str(found.status), peak


def main() -> None:
    """Run the benchmark and print its table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    table = Table("m", "n", "b", "factorisation [s]", "attack [s]", "status", "peak memory [GiB]")
    context = multiprocessing.get_context("spawn")
    for layer in LAYERS:
        with context.Pool(1) as pool:
            factorisation, attack, status, peak = pool.apply(measure, layer)
        sizes = (str(each) for each in layer)
        table.add_row(*sizes, f"{factorisation:.2f}", f"{attack:.2f}", status, f"{peak:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
