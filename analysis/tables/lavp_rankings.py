"""Ranking of images by their risk under one matching loss beside that under the other.

Spearman's rho between the two losses, L2 and cosine, on the same images, with 95 % bootstrap
intervals: of the PSNR that gradient matching reaches, and of the largest and the smallest
eigenvalue (LAVP, arXiv 2312.12488, Figures 1b and 1c). A rho of 1 is one ranking for both losses.
The norm of the gradient does not depend on the loss, so that it can rank for one of them alone.
"""

import pandas as pd

from spear.analysis.statistics.rank_correlation import (
    DATASETS,
    LOSSES,
    NETWORKS,
    Cell,
    cells,
    correlation,
)

EXPERIMENTS = ("lavp",)

ENDS = {"max": "largest eigenvalue", "min": "smallest eigenvalue"}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each network and data set that both losses have pictures of."""
    pairs: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in cells(results):
        pairs.setdefault((cell.network, cell.dataset), {})[cell.loss] = cell
    return pd.DataFrame(
        [_row(pair) for pair in pairs.values() if len(pair) == len(LOSSES)],
        columns=["network", "data", "images", "PSNR reached", *ENDS.values()],
    )


def _row(pair: dict[str, Cell]) -> dict[str, str]:
    first, second = (each.batches.set_index("batch").sort_index() for each in pair.values())
    shared = first.index.intersection(second.index)
    first, second = first.loc[shared], second.loc[shared]
    losses = [*pair]
    found = {
        "PSNR reached": correlation(first["psnr"], second["psnr"]),
        **{
            name: correlation(*(first[f"details.lavp_{loss}_{end}"] for loss in losses))
            for end, name in ENDS.items()
        },
    }
    cell = next(iter(pair.values()))
    return {
        "network": NETWORKS[cell.network],
        "data": DATASETS[cell.dataset],
        "images": str(len(shared)),
        **{name: "-" if rho is None else str(rho) for name, rho in found.items()},
    }
