"""GIFD beside the search over a generator's latents alone, and gradient matching without one.

One image per batch, of 32 x 32 pixels, in an untrained LeNet; the generator is that of CIFAR-10's
train split. In distribution: CIFAR-10's test split; out of distribution: photographs of ImageNet.
Mean ± standard deviation over images. "GIFD's lead": mean of the paired differences in PSNR or
LPIPS (lower is better) with its 95 % interval by the bootstrap, images on which GIFD is better,
and p of Wilcoxon's signed-rank test. Iterations: of all stages together, one restart; the authors
of GIFD have 1,000 per stage and 4 restarts. Stage: how often each gave the result, from latents (0)
on. GIFD and the search over latents know the defense and repeat it (noise apart); gradient matching
does not. All three compare directions, so that clipping changes no more than rounding. Seconds:
median, on a machine that was more or less busy.
"""

import pandas as pd

from spear.analysis.statistics.measures import duration, with_deviation
from spear.analysis.statistics.paired import ATTACKS, DEFENSES, PICTURES, paired, settings

EXPERIMENTS = ("gifd", "gifd_out_of_distribution", "gifd_defenses")


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each data set, defense, attack and number of iterations."""
    rows = []
    for (dataset, defense), cell in settings(results).items():
        gifd = cell[cell["attack"] == "gifd"]
        for attack, name in ATTACKS.items():
            for iterations, ours in cell[cell["attack"] == attack].groupby("attack.iterations"):
                rows.append(
                    {
                        "images": PICTURES[dataset],
                        "defense": DEFENSES[defense],
                        "attack": name,
                        "iterations": f"{iterations:,.0f}",
                        "n": str(len(ours)),
                        "PSNR [dB]": with_deviation(ours["psnr"], ".1f"),
                        "SSIM": with_deviation(ours["ssim"], ".2f"),
                        "LPIPS": with_deviation(ours["lpips"], ".3f"),
                        "GIFD's lead: PSNR [dB]": _lead(gifd["psnr"], ours["psnr"], ".1f", 1),
                        "LPIPS ": _lead(gifd["lpips"], ours["lpips"], ".3f", -1),
                        "stage": _stages(ours),
                        "seconds": duration(ours["seconds"].median()),
                    }
                )
    return pd.DataFrame(rows)


def _lead(gifd: pd.Series, others: pd.Series, form: str, better: int) -> str:
    """Return the paired difference as text; `better` is the sign of one in GIFD's favour."""
    if gifd.equals(others) or others.isna().all():
        return ""
    found = paired(better * gifd, better * others)
    low, high = sorted((better * found.low, better * found.high))
    interval = f"{better * found.mean:+{form}} [{low:+{form}}, {high:+{form}}]"
    return f"{interval}, {found.wins}/{found.n}, p = {found.p:.1g}"


def _stages(ours: pd.DataFrame) -> str:
    """Return how often each stage gave the result: `0: 3, 1: 17`."""
    if "details.stage" not in ours or ours["details.stage"].isna().all():
        return ""
    counts = ours["details.stage"].astype(int).value_counts().sort_index()
    return ", ".join(f"{stage}: {count}" for stage, count in counts.items())
