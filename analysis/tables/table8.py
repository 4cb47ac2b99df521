"""Table 8: batches of a single class, Tiny ImageNet, b = 20, m = 200.

Mean over batches ± half of its 95 % confidence interval (Student's t over batches), PSNR in dB,
SSIM as its distance from 1; accuracy: batches with all directions right. The class of each batch
is drawn among all of them, so that some batches are of the same one.
"""

import pandas as pd

from spear.analysis.paper.comparison import mean, papers, share
from spear.analysis.statistics.measures import with_interval

EXPERIMENTS = ("table8",)
KEYS = {"dataset": "dataset"}
COMPARED = {
    "psnr": mean("psnr"),
    "ssim": mean("ssim"),
    "mse": mean("mse", higher_is_better=False),
    "lpips": mean("lpips", higher_is_better=False),
    "accuracy": share("exact"),
}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each metric."""
    paper = papers("table8").iloc[0]
    right, n = int(results["exact"].sum()), len(results)
    psnr, ssim = results["psnr"], 1 - results["ssim"]
    texts = {
        "psnr": ("PSNR", f"{paper['psnr']:.1f}", with_interval(psnr)),
        "ssim": ("1 - SSIM", f"{1 - paper['ssim']:.2e}", _small(ssim)),
        "mse": ("MSE", f"{paper['mse']:.2e}", _small(results["mse"])),
        "lpips": ("LPIPS", f"{paper['lpips']:.2e}", _small(results["lpips"])),
        "accuracy": ("accuracy", f"{paper['accuracy']:g} %", f"{right}/{n}"),
    }
    verdicts = {name: of(results, paper[name])[1] for name, of in COMPARED.items()}
    rows = [(*texts[name], verdict) for name, verdict in verdicts.items()]
    return pd.DataFrame(rows, columns=["metric", "paper", "ours", "verdict"])


def _small(values: pd.Series) -> str:
    return with_interval(values, ".1e", ".0e")
