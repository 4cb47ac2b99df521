"""Submatrices per second of both samplers: python -m benchmarks.samplers --b 20 --m 200

Times `Sampler.draw` as the search calls it: in float32, on the left factor L of a real gradient (a
batch of embedded pictures in the paper's network), in chunks of the search's own size. To meet all
directions an information set takes `repetition(b)` times as many (docs/theory/sampling.md), so that
the speed-up is the ratio of the rates over that.
"""

import argparse
import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from spear.client.client import Client
from spear.data.embedded import Digits, Faces
from spear.experiments.job.provenance import hardware
from spear.inversion.factors.factorization import Factorization, factorize
from spear.inversion.sampling import InformationSetSampler, Sampler, SvdSampler
from spear.inversion.sampling.lemmas import repetition
from spear.inversion.sampling.screening import TEST_ROWS, largest_chunk
from spear.networks import fcnn

DATASETS = {"digits": Digits, "faces": Faces}
SAMPLERS: dict[str, Sampler] = {"svd": SvdSampler(), "information_set": InformationSetSampler()}


def left_factor(dataset: str, b: int, m: int, device: str, seed: int) -> Tensor:
    """Return the rows of L (float32) that the search samples from."""
    pictures = DATASETS[dataset]()
    batch = pictures.batch(b, torch.Generator().manual_seed(seed))
    network = fcnn(pictures.input_shape, pictures.n_classes, width=m, seed=seed)
    problem = factorize(Client(network).share(batch).observe(layer=1).to(device))
    if not isinstance(problem, Factorization) or problem.b != b:
        raise SystemExit(f"this batch gives no factorisation of rank {b}; choose another --seed")
    test_rows = max(min(TEST_ROWS, problem.left.shape[0] - b), 0)
    return problem.left.to(torch.float32)[test_rows:]


def submatrices_per_second(
    sampler: Sampler, left: Tensor, seconds: float, generator: torch.Generator
) -> float:
    """Return the rate of a sampler that draws for at least `seconds`, in the search's chunks."""
    count = largest_chunk(left.shape[1], left.dtype, left.device)
    drawn, elapsed = 0, 0.0
    _synchronize(left.device)
    start = time.perf_counter()
    while drawn == 0 or elapsed < seconds:
        drawn += sampler.draw(left, count, generator).shape[0]
        _synchronize(left.device)
        elapsed = time.perf_counter() - start
    return drawn / elapsed


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def report(rates: dict[str, list[float]], b: int) -> str:
    """Return a line for each sampler (median, lowest, highest), the ratio and the speed-up."""
    width = max(map(len, rates))
    lines = [f"{'sampler':<{width}}  submatrices/s lowest to highest"]
    for name, each in rates.items():
        middle = statistics.median(each)
        lines.append(f"{name:<{width}}  {middle:12,.0f}   {min(each):,.0f} to {max(each):,.0f}")
    svd, information_set = (statistics.median(rates[name]) for name in SAMPLERS)
    ratio = information_set / svd
    lines.append(f"information_set / svd: {ratio:.1f}, speed-up {ratio / repetition(b):.1f}")
    return "\n".join(lines)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.samplers", description=__doc__)
    parser.add_argument("--b", type=int, default=20, help="batch size")
    parser.add_argument("--m", type=int, default=200, help="width of the attacked layer")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, help="CPU threads [PyTorch's choice]")
    parser.add_argument("--dataset", choices=DATASETS, default="digits")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="least seconds per repeat")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure both samplers in turn, so that other load of the machine meets both."""
    settings = arguments(argv)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device = torch.device(settings.device)
    left = left_factor(settings.dataset, settings.b, settings.m, settings.device, settings.seed)
    generator = torch.Generator(device=device).manual_seed(settings.seed)
    rates: dict[str, list[float]] = {name: [] for name in SAMPLERS}
    for sampler in SAMPLERS.values():  # warm up
        submatrices_per_second(sampler, left, 0.0, generator)
    for _ in range(settings.repeats):
        for name, sampler in SAMPLERS.items():
            rates[name].append(submatrices_per_second(sampler, left, settings.seconds, generator))
    processor = hardware()["gpu" if device.type == "cuda" else "cpu"]
    print(
        f"b = {settings.b}, m = {settings.m} ({left.shape[0]} rows sampled from), "
        f"{settings.dataset}, {left.dtype}, {settings.repeats} repeats of {settings.seconds:g} s\n"
        f"{processor}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}"
    )
    print(report(rates, settings.b))


if __name__ == "__main__":
    main()
