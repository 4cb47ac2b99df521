"""Submatrices per hit of a batch's rarest column, by layer: `python -m benchmarks.rarest_column`.

Of Table 4's batches (Tiny ImageNet, b = 20, m = 400, untrained). A submatrix of b - 1 rows gives a
direction only if all of them are zeros of its column of dL/dZ, so that column j with z_j zeros
among the m' active rows takes binomial(m', b - 1) / binomial(z_j, b - 1) submatrices on average.
Algorithm 1 ends only when it has met the column with the fewest zeros.
"""

import argparse
import os
from collections.abc import Sequence

import pandas as pd
import torch
from scipy.special import gammaln
from torch import Tensor

from spear.analysis.overview.tables import markdown
from spear.client.client import Client
from spear.data import TinyImageNet
from spear.networks import fcnn
from spear.scoring import truth_of
from spear.seeding import Stream, batch_generator

B, M, LAYERS = 20, 400, 5


def submatrices_per_hit(gradients: Tensor) -> float:
    """Return the mean number of submatrices per hit of the column with the fewest zeros.

    Args:
        gradients: dL/dZ (m x b). Infinite if a column has fewer than b - 1 zeros in active rows.
    """
    b = gradients.shape[1]
    active = gradients[gradients.any(dim=1)]
    zeros = int((active == 0).sum(dim=0).min())
    if zeros < b - 1:
        return float("inf")
    logarithm = _log_binomial(len(active), b - 1) - _log_binomial(zeros, b - 1)
    return float(torch.tensor(logarithm, dtype=torch.float64).exp())


def _log_binomial(n: int, k: int) -> float:
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def measure(data_root: str, n_batches: int) -> pd.DataFrame:
    """Return a row for each layer: the least and the largest number over the first batches."""
    dataset = TinyImageNet(data_root, split="test", normalize=True)
    network = fcnn(dataset.input_shape, dataset.n_classes, width=M, depth=LAYERS + 1, seed=0)
    batches = [dataset.batch(B, batch_generator(0, k, Stream.DATA)) for k in range(n_batches)]
    rows = []
    for layer in range(1, LAYERS + 1):
        found = [
            submatrices_per_hit(truth_of(Client(network), each, layer).activation_gradients)
            for each in batches
        ]
        rows.append({"layer": layer, "least": f"{min(found):.1e}", "largest": f"{max(found):.1e}"})
    return pd.DataFrame(rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.rarest_column",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data-root", default=os.environ.get("SPEAR_DATA", "data"))
    parser.add_argument("--batches", type=int, default=5)
    settings = parser.parse_args(argv)
    torch.set_num_threads(1)
    print(markdown(measure(settings.data_root, settings.batches)))


if __name__ == "__main__":
    main()
