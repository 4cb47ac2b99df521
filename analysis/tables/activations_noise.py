"""Layer pairs under DP-SGD: PSNR in dB over the noise in an entry of the mean gradient, m = 200.

A cell has the mean PSNR of all batches, that of least squares if dL/dZ were known, which uses the
first layer alone, and the share of images of 20 dB or more. Gradients are clipped to the norm 1.
noise / |g|: the noise as a multiple of the median magnitude of the first layer's undefended
gradient, the range over activations and b.
"""

import pandas as pd

EXPERIMENTS = ("activations_noise",)

NOISE = "defense.noise_std"


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each activation and b, a column for each deviation of the noise."""
    rows = [_row(cell) for _, cell in results.groupby(["network.activation", "batch_size"])]
    relative = (results[NOISE].astype(float) / results["gradient_median"]).groupby(results[NOISE])
    ranges = relative.agg(["min", "max"])
    last = {"activation": "noise / |g|", "b": ""}
    last |= {_column(std): f"{low:.2g} to {high:.2g}" for std, (low, high) in ranges.T.items()}
    return pd.DataFrame([*rows, last]).fillna("")


def _row(cell: pd.DataFrame) -> dict[str, str]:
    row = {"activation": cell["network.activation"].iloc[0], "b": str(cell["batch_size"].iloc[0])}
    for std, batches in cell.groupby(NOISE):
        psnr, bound = batches["psnr"].mean(), batches["psnr_bound"].mean()
        row[_column(std)] = f"{psnr:.1f} of {bound:.1f}, {batches['recovered'].mean():.0%}"
    return row


def _column(std: object) -> str:
    return f"sigma = {float(str(std)):g}"
