"""Table 3 (with the deviations of Table 7): quality by data set, b = 20, m = 200.

PSNR in dB, mean ± standard deviation over batches; LPIPS: mean; accuracy: batches with all
directions right; seconds: median of ours on one thread, the paper's on a GPU.
"""

import pandas as pd

from analysis.measures import duration
from analysis.reproduction import accuracy_verdict, mean, mean_verdict, papers, share

EXPERIMENTS = ("table3",)
KEYS = {"dataset": "dataset"}
COMPARED = {
    "psnr": mean("psnr"),
    "lpips": mean("lpips", higher_is_better=False),
    "accuracy": share("exact"),
}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each data set that we have results of."""
    rows = []
    for _, paper in papers("table3").iterrows():
        ours = results[results["dataset"] == paper["dataset"]]
        if ours.empty:
            continue
        right, n = int(ours["exact"].sum()), len(ours)
        rows.append(
            {
                "data set": paper["dataset"],
                "PSNR: paper": f"{paper['psnr']:.1f} ± {paper['psnr_interval']:.1f}",
                "ours": f"{ours['psnr'].mean():.1f} ± {ours['psnr'].std():.1f}",
                "PSNR": mean_verdict(ours["psnr"], paper["psnr"]),
                "LPIPS: paper": f"{paper['lpips']:.2g}",
                "ours ": f"{ours['lpips'].mean():.2g}",
                "accuracy: paper": f"{paper['accuracy']:g} %",
                "ours  ": f"{right}/{n}",
                "accuracy": accuracy_verdict(right, n, paper["accuracy"]),
                "time: paper": duration(paper["seconds"]),
                "ours   ": duration(float(ours["seconds"].median())),
            }
        )
    return pd.DataFrame(rows)
