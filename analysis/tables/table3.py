"""Tables 3 and 7: quality by data set, b = 20, m = 200.

PSNR in dB and LPIPS: mean over batches ± half of its 95 % confidence interval (Student's t over
batches); the paper has no LPIPS where images are too small. The paper's ± is Table 7's, said to
be a 95 % interval too. As intervals of the mean, its 8 to 15 dB over 100 batches would mean that
batches spread by 40 to 80 dB; so we read it as the spread of batches, and still allow it in the
verdicts. Accuracy: batches with all directions right; time: median, with its hardware.

The paper has 100 batches a row. Folder of images: where it is not ImageNet itself.
"""

import pandas as pd

from spear.analysis.paper.columns import three_columns
from spear.analysis.paper.comparison import Cell, mean, seconds, share
from spear.analysis.statistics.measures import with_interval

EXPERIMENTS = ("table3", "table3_imagenet_224", "table3_imagenet_720")
ALSO = (
    "table3_sampling",
    "table3_imagenet_224_sampling",
    "table3_imagenet_720_sampling",
    "figure4_b18_to_b24",
    "paper_sampling",
)
ONLY = {"batch_size": 20, "network.width": 200}
KEYS = {"dataset": "row"}
COMPARED = {
    "psnr": mean("psnr"),
    "lpips": mean(
        "lpips",
        "LPIPS",
        higher_is_better=False,
        text=lambda values: with_interval(values, ".2g", ".1g"),
        form=".2g",
        half_form=".1g",
    ),
    "accuracy": share("exact"),
    "seconds": seconds(),
}


def prepared(results: pd.DataFrame) -> pd.DataFrame:
    """Return the batches with a column `row`, the paper's name for the data set."""
    names = results["dataset"]
    if "dataset.resolution" in results:
        sized = results["dataset.resolution"].notna()
        names = names.mask(sized, names + results["dataset.resolution"].map("_{:.0f}".format))
    return results.assign(row=names)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each measure of each data set."""
    found = three_columns(
        "table3", prepared(results), KEYS, COMPARED, more={"folder of images": _folder}
    )
    return found.rename(columns={"dataset": "data set"})


def _folder(cell: Cell) -> str:
    batches = pd.concat([cell.again, cell.ours])
    if "dataset.folder" not in batches:
        return ""
    return ", ".join(sorted(set(batches["dataset.folder"].dropna()) - {"imagenet"}))
