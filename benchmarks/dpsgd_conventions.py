"""Conventions of noise that may explain Table 9: `python -m benchmarks.dpsgd_conventions`.

The paper gives sigma, but neither the quantity whose deviation it is, nor the tolerance of its zero
test. For each convention of the noise and each way to get directions, all 20 noisy cells of the
table are computed from the truth, without a search:

* *all zero rows*: each direction by least squares on all zeros of its column of dL/dZ. No attack
  that knows nothing else about pictures does better on average.
* *b + 1* (*b - 1*) *zero rows*: by least squares on so many of them, drawn at random.
* *b + 1 loose rows*: likewise on rows whose true entry is at most a tolerance, as a share of its
  column's root mean square: a search with a loose zero test takes these for zeros. The tolerance
  (one for the table, or one for each sigma) is chosen to fit the paper's values best.
* *b + 1 rows of |L q|*: likewise on rows where |L q| is at most a tolerance, with q a unit vector
  and the paper's factor L = U S^1/2 (Theorem 3.1). It stands for the zero test as the paper prints
  it, without whitening, so that the tolerance has the square root of the gradient's unit.

Directions become inputs by FixScale and X^T = Q^-1 R. The table printed has the root mean square of
the difference to the paper over the cells, in dB, with the paper's readout (pictures clipped to
[0, 1], the mean of their PSNRs) and with others, and the difference in the corner cells.

A summed loss under any of the conventions is sigma b times larger on the same mean, so that
"sigma / b" is also "sigma on the sum".
"""

import argparse
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import pandas as pd
import torch
from torch import Tensor

from spear.analysis.overview.tables import markdown
from spear.analysis.paper.comparison import papers
from spear.client.client import Client
from spear.client.defenses import DPSGD
from spear.data import Dataset, TinyImageNet
from spear.inversion.factors.spectrum import left_spectrum
from spear.networks import fcnn
from spear.observation import Observation
from spear.scoring import psnr, truth_of
from spear.seeding import Stream, batch_generator

B = 20

CONVENTIONS: dict[str, Callable[[float, float], float]] = {
    "sigma on the mean": lambda sigma, c: sigma,
    "sigma C on the mean": lambda sigma, c: sigma * c,
    "sigma on each example": lambda sigma, c: sigma / B**0.5,
    "sigma C on each example": lambda sigma, c: sigma * c / B**0.5,
    "sigma on the sum": lambda sigma, c: sigma / B,
    "sigma C on the sum (Opacus)": lambda sigma, c: sigma * c / B,
}
"""Convention -> deviation of an entry of the mean gradient, as a function of sigma and C."""

TOLERANCES = (0.03, 0.04, 0.06, 0.08, 0.11, 0.16, 0.22)
LOOSE = f"{B + 1} loose rows"
FACTOR_TOLERANCES = (3e-4, 5e-4, 7e-4, 1e-3, 1.4e-3, 2e-3, 2.8e-3)
OF_FACTOR = f"{B + 1} rows of |L q|"
READOUTS = ("paper's", "not clipped", "of the mean MSE", "noiseless bias")
CORNERS = tuple(itertools.product((1.0, 2.0), (5e-6, 1e-4)))


@dataclass(frozen=True)
class Clipped:
    """Gradient of a batch, clipped to C and without noise, and the truth behind it.

    Attributes:
        dataset: data set, which de-normalises pictures.
        max_norm: C.
        observation: observation of the first layer.
        inputs: true X^T (b x n).
        gradients: the columns of the clipped dL/dZ over their root mean squares (m x b).
        factor_entries: |L q| of the true unit directions q, with L = U S^1/2 (m x b).
    """

    dataset: Dataset
    max_norm: float
    observation: Observation
    inputs: Tensor
    gradients: Tensor
    factor_entries: Tensor


def clipped_batches(dataset: Dataset, max_norms: Sequence[float], count: int) -> Iterator[Clipped]:
    """Yield the first batches of experiment table9, for each C."""
    network = fcnn(dataset.input_shape, dataset.n_classes, width=200, depth=6, seed=0)
    for k in range(count):
        batch = dataset.batch(B, batch_generator(0, k, Stream.DATA))
        truth = truth_of(Client(network), batch, 1)
        gradients = truth.activation_gradients.double()
        gradients = gradients / gradients.square().mean(dim=0).sqrt()
        for c in max_norms:
            shared = Client(network, defense=DPSGD(c, 0.0)).share(batch).observe(1)
            entries = factor_entries(shared.weight_gradient, gradients)
            yield Clipped(dataset, c, shared, truth.inputs.double(), gradients, entries)


def factor_entries(weight_gradient: Tensor, gradients: Tensor) -> Tensor:
    """Return |L q| (m x b) of the unit vectors q with L q along the columns of dL/dZ (m x b).

    L = U S^1/2 is the paper's factor of the weight gradient (m x n).
    """
    vectors, values, _ = torch.linalg.svd(weight_gradient.double(), full_matrices=False)
    b = gradients.shape[1]
    directions = (vectors[:, :b].T @ gradients) / values[:b, None].sqrt()
    return (gradients / torch.linalg.vector_norm(directions, dim=0)).abs()


def psnrs(clean: Clipped, deviation: float, seed: int) -> Iterator[tuple[str, float, list[float]]]:
    """Yield the name, the tolerance and a PSNR for each readout, of each way to get directions."""
    generator = torch.Generator().manual_seed(seed)
    weight, bias = (
        each.double() + deviation * torch.randn(each.shape, generator=generator).double()
        for each in (clean.observation.weight_gradient, clean.observation.bias_gradient)
    )
    m = len(weight)
    left = left_spectrum(weight, 0.0, at_least=B)[0][:, :B] * m**0.5
    right = left.T @ weight / m
    biases = [left.T @ each / m for each in (bias, clean.observation.bias_gradient.double())]
    size = clean.gradients.abs()
    ways = [("all zero rows", 0.0, m, size)]
    ways += [(f"{rows} zero rows", 0.0, rows, size) for rows in (B - 1, B + 1)]
    ways += [(LOOSE, tolerance, B + 1, size) for tolerance in TOLERANCES]
    entries = clean.factor_entries
    ways += [(OF_FACTOR, tolerance, B + 1, entries) for tolerance in FACTOR_TOLERANCES]
    for name, tolerance, rows, sizes in ways:
        directions = from_rows(left, sizes <= tolerance, rows, generator)
        found = [inputs(directions, right, each) for each in biases]
        yield name, tolerance, readouts(clean, *found)


def from_rows(left: Tensor, near: Tensor, rows: int, generator: torch.Generator) -> Tensor:
    """Return directions (b x b) by least squares, each on at most `rows` random `near` rows."""
    columns = []
    for column in near.T:
        candidates = column.nonzero().flatten()
        chosen = candidates[torch.randperm(len(candidates), generator=generator)[:rows]]
        columns.append(torch.linalg.svd(left[chosen], full_matrices=True).Vh[-1])
    return torch.stack(columns, dim=1)


def inputs(directions: Tensor, right: Tensor, bias: Tensor) -> Tensor:
    """Return X^T = Q^-1 R with the scales of Theorem 3.5."""
    scales = torch.linalg.solve(directions, bias)
    return torch.linalg.solve(directions * scales, right)


def readouts(clean: Clipped, found: Tensor, unbiased: Tensor) -> list[float]:
    """Return the batch's PSNRs in the order of `READOUTS`."""
    true = clean.dataset.denormalized(clean.inputs)
    shown, unbiased = clean.dataset.denormalized(found), clean.dataset.denormalized(unbiased)
    errors = (shown - true).square().flatten(1).mean(dim=1)
    mean_error = (shown.clamp(0, 1) - true).square().mean()
    values = (
        psnr(shown, true).mean(),
        -10 * errors.log10().mean(),
        -10 * mean_error.log10(),
        psnr(unbiased, true).mean(),
    )
    return [float(each) for each in values]


def measure(dataset: Dataset, n_batches: int, repeats: int) -> pd.DataFrame:
    """Return the mean PSNR of each cell under each convention, beside the paper's."""
    paper = papers("table9").query("sigma > 0")
    rows = []
    for clean in clipped_batches(dataset, sorted(paper["C"].unique()), n_batches):
        cells = itertools.product(CONVENTIONS, sorted(paper["sigma"].unique()), range(repeats))
        for convention, sigma, seed in cells:
            deviation = CONVENTIONS[convention](sigma, clean.max_norm)
            for name, tolerance, values in psnrs(clean, deviation, seed):
                cell = (convention, name, tolerance, clean.max_norm, sigma)
                rows.append((*cell, *values))
    keys = ["convention", "directions", "tolerance", "C", "sigma"]
    means = pd.DataFrame(rows, columns=[*keys, *READOUTS]).groupby(keys, sort=False).mean()
    return means.reset_index().merge(paper, on=["C", "sigma"])


def fits(cells: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each convention and way to get directions, the best first."""
    groups: list[Group] = []
    for keys, group in cells.groupby(["convention", "directions", "tolerance"], sort=False):
        convention, name, tolerance = cast(tuple[str, str, float], keys)
        groups.append((convention, name, f"{tolerance:g}" if tolerance else "", group))
    groups = _best(groups)
    loose = cells[cells["directions"].isin([LOOSE, OF_FACTOR])]
    for keys, each in loose.groupby(["convention", "directions"], sort=False):
        convention, name = cast(tuple[str, str], keys)
        best = [_best_tolerance(cell) for _, cell in each.groupby("sigma")]
        tolerances = ", ".join(f"{cell['tolerance'].iloc[0]:g}" for cell in best)
        groups.append((convention, name, tolerances, pd.concat(best)))
    rows = [_row(*each) for each in groups]
    return pd.DataFrame(rows).sort_values("rms [dB]", kind="stable")


Group = tuple[str, str, str, pd.DataFrame]


def _best(groups: list[Group]) -> list[Group]:
    """Return the groups of the best tolerance of each convention."""
    best: dict[tuple[str, str], Group] = {}
    for group in groups:
        known = best.get(group[:2])
        if known is None or _rms(group[3]) < _rms(known[3]):
            best[group[:2]] = group
    return list(best.values())


def _best_tolerance(cells: pd.DataFrame) -> pd.DataFrame:
    return min((each for _, each in cells.groupby("tolerance")), key=_rms)


def _rms(cells: pd.DataFrame, readout: str = READOUTS[0]) -> float:
    return float(((cells[readout] - cells["psnr"]) ** 2).mean() ** 0.5)


def _row(convention: str, name: str, tolerance: str, cells: pd.DataFrame) -> dict[str, object]:
    differences = (cells[READOUTS[0]] - cells["psnr"]).set_axis(
        pd.MultiIndex.from_frame(cells[["C", "sigma"]])
    )
    return {
        "noise": convention,
        "directions from": name,
        "tolerance": tolerance,
        "rms [dB]": round(_rms(cells), 1),
        "mean": f"{differences.mean():+.1f}",
        **{f"C={c:g}, {sigma:.0e}": f"{differences[c, sigma]:+.1f}" for c, sigma in CORNERS},
        **{f"rms: {readout}": f"{_rms(cells, readout):.1f}" for readout in READOUTS[1:]},
    }


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.dpsgd_conventions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data-root", default=os.environ.get("SPEAR_DATA", "data"))
    parser.add_argument("--batches", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3, help="number of draws of noise and rows")
    parser.add_argument(
        "--pixels", action="store_true", help="leave inputs in [0, 1] instead of normalising them"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table as Markdown."""
    settings = arguments(argv)
    torch.set_num_threads(1)
    dataset = TinyImageNet(settings.data_root, split="test", normalize=not settings.pixels)
    cells = measure(dataset, settings.batches, settings.repeats)
    print(markdown(fits(cells)))


if __name__ == "__main__":
    main()
