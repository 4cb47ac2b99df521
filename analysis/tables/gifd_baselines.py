"""The attacks that GIFD is compared with: GradInversion, GGL and GIAS, on the same batches.

As `gifd`, in distribution: CIFAR-10's test split, an untrained LeNet without batch normalisation, a
generator of CIFAR-10's train split; the authors' generators, BigGAN and StyleGAN2, and FFHQ are not
used. Labels: given, or counted in the gradient of the last layer; for one image that is iDLG's sign
rule, with the share that is right. The counts of larger batches can be wrong by some labels. Mean ±
standard deviation over batches, of a batch the mean over its images. "GIFD's lead": mean of the
paired differences in PSNR to GIFD with given labels, its 95 % interval by the bootstrap, and
batches on which GIFD is better. Iterations: 400 for all that descend (GradInversion with 4 seeds,
GIAS 100 over latents and 300 over parameters); GGL has 4,000 evaluations without second
derivatives. The authors' budgets are 10 to 50 times as large. Seconds: median, on a machine that
was more or less busy.
"""

import pandas as pd

from spear.analysis.statistics import related
from spear.analysis.statistics.labels import right_class
from spear.analysis.statistics.measures import duration, with_deviation
from spear.analysis.statistics.paired import paired

EXPERIMENTS = related.EXPERIMENTS


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each batch size and attack."""
    cells = related.compared(results)
    return pd.DataFrame(
        [_row(b, attack, cell, cells.get((b, "gifd"))) for (b, attack), cell in cells.items()]
    )


def _row(b: int, attack: str, cell: pd.DataFrame, gifd: pd.DataFrame | None) -> dict[str, str]:
    counted = "label_accuracy" in cell and cell["label_accuracy"].notna().any()
    share = f", {right_class(cell)} right" if b == 1 else ""  # else it hangs on the matching, too
    return {
        "b": str(b),
        "attack": related.ATTACKS[attack],
        "generator": "yes" if attack in related.WITH_GENERATOR else "no",
        "labels": f"counted{share}" if counted else "given",
        "batches": str(len(cell)),
        "PSNR [dB]": with_deviation(cell["psnr"]),
        "SSIM": with_deviation(cell["ssim"], ".2f"),
        "LPIPS": with_deviation(cell["lpips"], ".3f"),
        "GIFD's lead [dB]": "" if attack == "gifd" or gifd is None else _lead(gifd, cell),
        "seconds": duration(float(cell["seconds"].median())),
    }


def _lead(gifd: pd.DataFrame, others: pd.DataFrame) -> str:
    difference = (gifd["psnr"] - others["psnr"]).dropna()
    if len(difference) < 2 or difference.nunique() == 1:
        return "" if difference.empty else f"{difference.mean():+.1f}"
    found = paired(gifd["psnr"], others["psnr"])
    return f"{found.mean:+.1f} [{found.low:+.1f}, {found.high:+.1f}], {found.wins}/{found.n}"
