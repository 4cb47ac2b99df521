"""The eigenvalues behind LAVP: both ends of the spectrum, how they were found, and how well.

Medians over batches. Residual: |H v - value v| relative to the value, the worst of all batches and
both losses. Products: Lanczos' method on Hessian-vector products alone; entries: the smallest from
a factorisation of the Hessian, where that method does not end. Seconds: both losses together.
A convolutional network on Tiny ImageNet has more entries in an image (12,288) than the gradient
has degrees of freedom (11,407 at most), so that its smallest eigenvalue is 0; 12,288^2 entries are
too many to form, and it was not looked for any further.
"""

import pandas as pd

from spear.analysis.statistics.measures import duration
from spear.analysis.statistics.rank_correlation import DATASETS, LOSSES, NETWORKS, cells

EXPERIMENTS = ("lavp",)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each network and data set, by the batches of one of its attacks."""
    rows = {(cell.network, cell.dataset): cell.batches for cell in cells(results)}
    return pd.DataFrame(
        [
            {
                "network": NETWORKS[network],
                "data": DATASETS[dataset],
                "batches": str(len(batches)),
                **_ends(batches),
                "residual of max": _worst(batches, "max"),
                "residual of min": _worst(batches, "min"),
                "min by": "entries" if batches["details.lavp_dense"].all() else "products",
                "seconds": duration(batches["details.lavp_seconds"].median()),
            }
            for (network, dataset), batches in rows.items()
        ]
    )


def _ends(batches: pd.DataFrame) -> dict[str, str]:
    medians = {
        (loss, end): batches[f"details.lavp_{loss}_{end}"].median()
        for loss in LOSSES.values()
        for end in ("max", "min")
    }
    return {f"{loss} {end}": _number(value) for (loss, end), value in medians.items()}


def _worst(batches: pd.DataFrame, end: str) -> str:
    values = [f"details.lavp_{loss}_{end}" for loss in LOSSES.values()]
    ratios = [(batches[f"{each}_residual"] / batches[each]).max() for each in values]
    return _number(max(ratios))


def _number(value: float) -> str:
    return "not found" if pd.isna(value) else f"{value:.2g}"
