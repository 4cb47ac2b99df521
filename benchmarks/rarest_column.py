"""Submatrices per hit of a batch's rarest column: `python -m benchmarks.rarest_column`.

Without options, by layer, of Table 4's batches (Tiny ImageNet, b = 20, m = 400, untrained). A
submatrix of r rows gives a direction only if all of them are zeros of its column of dL/dZ, so that
column j with z_j zeros among the m' active rows takes binomial(m', r) / binomial(z_j, r)
submatrices on average. Algorithm 1 has r = b - 1, its noisy mode r = b + 1. It ends only when it
has met the column with the fewest zeros.

"Within N": mean over batches of the chance that N submatrices meet all columns, from these rates
and `repetition` of the sampler. It is computed from the truth, and no search was run.

    python -m benchmarks.rarest_column --width 200 --layers 1 --rows 21                   # Table 9
    python -m benchmarks.rarest_column --width 200 --layers 1 --epochs 20 --mini-batch 5  # 10
    python -m benchmarks.rarest_column --width 200 --layers 1 --dataset cifar10 --b 24    # Fig. 4
    python -m benchmarks.rarest_column --steps 5000  # Sec. 6.2, trained as in table4_trained
"""

import argparse
import math
import os
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from scipy.special import gammaln
from torch import Tensor, nn

from spear.analysis.overview.tables import markdown
from spear.client.client import Client
from spear.client.local_training import FedAvg
from spear.data import CIFAR10, Dataset, TinyImageNet
from spear.inversion.sampling.lemmas import repetition
from spear.networks import trained_fcnn
from spear.scoring import truth_of
from spear.seeding import Stream, batch_generator

B, M, LAYERS = 20, 400, 5

TRAIN_BATCH = 32
"""Examples of a training step, as in `experiment=table4_trained`."""

DATASETS = {"tiny_imagenet": TinyImageNet, "cifar10": CIFAR10}

ZERO = 1e-5
"""Share of a column's largest entry up to which a sum of dL/dZ over local steps is zero: above the
rounding of the float32 weights, and below what one step leaves. 1e-4 gives the same counts."""


def submatrices_per_hit(gradients: Tensor, rows: int | None = None) -> float:
    """Return the mean number of submatrices per hit of the column with the fewest zeros.

    Args:
        gradients: dL/dZ (m x b). Infinite if a column has fewer zeros in active rows than `rows`.
        rows: r; b - 1 unless given.
    """
    least = float(hit_rates(gradients, rows).min())
    return 1 / least if least > 0 else math.inf


def hit_rates(gradients: Tensor, rows: int | None = None) -> np.ndarray:
    """Return the share of submatrices that lie within the zeros of each column (b)."""
    r = gradients.shape[1] - 1 if rows is None else rows
    active = gradients[gradients.any(dim=1)]
    zeros = (active == 0).sum(dim=0).numpy()
    logarithms = [_log_binomial(int(z), r) - _log_binomial(len(active), r) for z in zeros]
    return np.exp(np.where(zeros < r, -np.inf, logarithms))


def met_within(rates: np.ndarray, n: float, repeated: float) -> float:
    """Return the chance that n submatrices meet all columns.

    Args:
        rates: hits of each column per submatrix.
        n: number of submatrices.
        repeated: hits per draw that has any (`repetition`), which are of no more use than one.
    """
    return float(np.prod(-np.expm1(-n * rates / repeated)))


def _log_binomial(n: int, k: int) -> float:
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)) if n >= k else -math.inf


def measure(settings: argparse.Namespace) -> pd.DataFrame:
    """Return a row for each layer: the least and the largest number over the first batches."""
    dataset = DATASETS[settings.dataset](settings.data_root, split="test", normalize=True)
    network = trained_fcnn(
        dataset.input_shape, dataset.n_classes, dataset, settings.width, LAYERS + 1,
        steps=settings.steps, train_batch_size=TRAIN_BATCH,
    )  # fmt: skip
    rows = settings.b - 1 if settings.rows is None else settings.rows
    repeated = repetition(rows + 1)  # that one draw leaves out in turn
    found = []
    for layer in range(1, settings.layers + 1):
        rates = [
            hit_rates(_gradients(network, dataset, layer, k, settings), rows)
            for k in range(settings.batches)
        ]
        rarest = [1 / each.min() if each.min() > 0 else math.inf for each in rates]
        chances = [met_within(each, settings.n, repeated) for each in rates]
        found.append(
            {
                "layer": layer,
                "least": f"{min(rarest):.1e}",
                "largest": f"{max(rarest):.1e}",
                f"within N = {settings.n:.0e}": f"{100 * sum(chances) / len(chances):.0f} %",
            }
        )
    return pd.DataFrame(found)


def _gradients(
    network: nn.Module, dataset: Dataset, layer: int, k: int, settings: argparse.Namespace
) -> Tensor:
    """Return the factor D (m x b) of the update of batch k: dL/dZ, summed over local steps."""
    batch = dataset.batch(settings.b, batch_generator(0, k, Stream.DATA))
    if settings.epochs is None:
        return truth_of(Client(network), batch, layer).activation_gradients
    client = Client(network, FedAvg(settings.epochs, settings.learning_rate, settings.mini_batch))
    update = client.share(batch, batch_generator(0, k, Stream.CLIENT))
    summed = truth_of(client, batch, layer, update).shared_gradients
    small = summed.abs() <= ZERO * summed.abs().amax(dim=0)
    return summed.masked_fill(small, 0.0)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.rarest_column",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data-root", default=os.environ.get("SPEAR_DATA", "data"))
    parser.add_argument("--dataset", choices=DATASETS, default="tiny_imagenet")
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--b", type=int, default=B, help="batch size")
    parser.add_argument("--width", type=int, default=M, help="m")
    parser.add_argument("--layers", type=int, default=LAYERS, help="from the first on")
    parser.add_argument("--rows", type=int, help="r [b - 1]")
    parser.add_argument("--n", type=float, default=2e9, help="N, the paper's [2e9]")
    parser.add_argument("--steps", type=int, default=0, help="of training on the same split [0]")
    parser.add_argument("--epochs", type=int, help="local epochs [one gradient]")
    parser.add_argument("--mini-batch", type=int, help="size of a mini-batch [the batch's]")
    parser.add_argument("--learning-rate", type=float, default=0.01, help="of local steps")
    settings = parser.parse_args(argv)
    torch.set_num_threads(1)
    print(markdown(measure(settings)))


if __name__ == "__main__":
    main()
