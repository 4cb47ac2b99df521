"""Table 8: batches of a single class, Tiny ImageNet, b = 20, m = 200.

Mean over batches ± half of its 95 % confidence interval (Student's t over batches), PSNR in dB,
SSIM as its distance from 1; accuracy: batches with all directions right. The class of each batch
is drawn among all of them, so that some batches are of the same one.
"""

import pandas as pd

from analysis.reproduction import (
    accuracy_verdict,
    half_width,
    mean,
    mean_verdict,
    papers,
    share,
)

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
    """A row for each metric."""
    paper = papers("table8").iloc[0]
    right, n = int(results["exact"].sum()), len(results)
    psnr = results["psnr"]
    rows = [
        {
            "metric": "PSNR",
            "paper": f"{paper['psnr']:.1f}",
            "ours": f"{psnr.mean():.1f} ± {half_width(psnr):.1f}",
            "verdict": mean_verdict(psnr, paper["psnr"]),
        }
    ]
    errors = {"1 - SSIM": (1 - results["ssim"], 1 - paper["ssim"])}
    errors |= {name.upper(): (results[name], paper[name]) for name in ("mse", "lpips")}
    for name, (ours, theirs) in errors.items():
        rows.append(
            {
                "metric": name,
                "paper": f"{theirs:.2e}",
                "ours": f"{ours.mean():.1e} ± {half_width(ours):.0e}",
                "verdict": mean_verdict(-ours, -theirs),
            }
        )
    rows.append(
        {
            "metric": "accuracy",
            "paper": f"{paper['accuracy']:g} %",
            "ours": f"{right}/{n}",
            "verdict": accuracy_verdict(right, n, paper["accuracy"]),
        }
    )
    return pd.DataFrame(rows)
