"""Algorithm 1 with sampling by information sets, on CIFAR-10, m = 200, L = 6.

At b = 20 the first batches of row 2 of Table 3. Exact: all directions right; PSNR in dB, mean ±
standard deviation over batches; submatrices and seconds: medians.
"""

import pandas as pd

from spear.analysis.statistics.measures import count, duration, with_deviation

EXPERIMENTS = ("paper_sampling",)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each batch size."""
    rows = [
        {
            "b": str(b),
            "exact": f"{cell['exact'].sum()}/{len(cell)}",
            "PSNR": with_deviation(cell["psnr"]),
            "submatrices": count(cell["submatrices"].median()),
            "seconds": duration(cell["seconds"].median()),
        }
        for b, cell in results.groupby("batch_size")
    ]
    return pd.DataFrame(rows)
