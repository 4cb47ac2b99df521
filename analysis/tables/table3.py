"""Tables 3 and 7: quality by data set, b = 20, m = 200.

PSNR in dB and LPIPS: mean over batches ± half of its 95 % confidence interval (Student's t over
batches); - where pictures are too small for LPIPS. The paper's ± is Table 7's, said to be a 95 %
interval too. As intervals of the mean, its 8 to 15 dB over 100 batches would mean that batches
spread by 40 to 80 dB; so we read it as the spread of batches. Accuracy: batches with all directions
right; seconds: median of ours on one thread, the paper's on a GPU.

The paper has 100 batches a row. In brackets: the folder of images, where it is not ImageNet itself.
"""

import math

import pandas as pd

from spear.analysis.paper.comparison import (
    accuracy_verdict,
    cell_of,
    mean,
    mean_verdict,
    papers,
    share,
)
from spear.analysis.statistics.measures import duration, half_width, with_interval

EXPERIMENTS = ("table3", "table3_imagenet_224", "table3_imagenet_720")
KEYS = {"dataset": "row"}
COMPARED = {
    "psnr": mean("psnr"),
    "lpips": mean("lpips", higher_is_better=False),
    "accuracy": share("exact"),
}


def prepared(results: pd.DataFrame) -> pd.DataFrame:
    """Return the batches with a column `row`, the paper's name for the data set."""
    names = results["dataset"]
    if "dataset.resolution" in results:
        sized = results["dataset.resolution"].notna()
        names = names.mask(sized, names + results["dataset.resolution"].map("_{:.0f}".format))
    return results.assign(row=names)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each data set that has results."""
    results = prepared(results)
    rows = []
    for _, paper in papers("table3").iterrows():
        ours = cell_of(results, paper, KEYS)
        if ours.empty:
            continue
        right, n = int(ours["exact"].sum()), len(ours)
        rows.append(
            {
                "data set": paper["dataset"] + _folder(ours),
                "batches": f"{n}",
                "PSNR: paper": f"{paper['psnr']:.1f} ± {paper['psnr_interval']:.1f}",
                "ours": with_interval(ours["psnr"]),
                "PSNR": mean_verdict(ours["psnr"], paper["psnr"]),
                "LPIPS: paper": _lpips(paper["lpips"], paper["lpips_interval"]),
                "ours ": _lpips(ours["lpips"].mean(), half_width(ours["lpips"])),
                "accuracy: paper": f"{paper['accuracy']:g} %",
                "ours  ": f"{right}/{n}",
                "accuracy": accuracy_verdict(right, n, paper["accuracy"]),
                "time: paper": duration(paper["seconds"]),
                "ours   ": duration(float(ours["seconds"].median())),
            }
        )
    return pd.DataFrame(rows)


def _folder(batches: pd.DataFrame) -> str:
    if "dataset.folder" not in batches:
        return ""
    others = sorted(set(batches["dataset.folder"].dropna()) - {"imagenet"})
    return f" ({', '.join(others)})" if others else ""


def _lpips(mean: float, interval: float) -> str:
    return "-" if math.isnan(mean) else f"{mean:.2g} ± {interval:.1g}"
