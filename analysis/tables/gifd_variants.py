"""GIFD without l1 balls or with fewer layers, and on batches of several images (arXiv 2308.04699).

As `gifd`, in distribution. Radii: of the l1 ball of each feature layer in turn; "none" has balls
that nothing reaches. Mean ± standard deviation over batches, of a batch the mean over its images.
"GIFD's lead": mean of the paired differences in PSNR to GIFD with all balls, or, for several
images, to GIFD on the same batches, with its 95 % interval by the bootstrap.
"""

import ast

import pandas as pd

from spear.analysis.statistics.measures import duration, with_deviation
from spear.analysis.statistics.paired import ATTACKS, paired

EXPERIMENTS = ("gifd_ablation", "gifd_batches")

RADII, NO_BALL = "attack.radii", 1e9


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each batch size, attack and list of radii."""
    results = results.assign(radii=results[RADII].map(_listed))
    rows = []
    for b, cell in results.groupby("batch_size"):
        gifd = cell[cell["attack"] == "gifd"]
        full = gifd[gifd["radii"] == max(gifd["radii"], key=_complete)]
        for attack, name in ATTACKS.items():
            for radii, ours in cell[cell["attack"] == attack].groupby("radii"):
                rows.append(_row(int(str(b)), name, str(radii), ours, full))
    return pd.DataFrame(rows)


def _row(b: int, name: str, radii: str, ours: pd.DataFrame, full: pd.DataFrame) -> dict[str, str]:
    both = full.merge(ours, on=["seed", "batch"], suffixes=("", "_ours"))
    same = both["psnr"].equals(both["psnr_ours"])
    lead = "" if same or len(both) < 2 else str(_lead(both["psnr"], both["psnr_ours"]))
    return {
        "b": str(b),
        "attack": name,
        "radii": radii,
        "batches": str(len(ours)),
        "PSNR [dB]": with_deviation(ours["psnr"]),
        "SSIM": with_deviation(ours["ssim"], ".2f"),
        "LPIPS": with_deviation(ours["lpips"], ".3f"),
        "GIFD's lead [dB]": lead,
        "seconds": duration(float(ours["seconds"].median())),
    }


def _lead(gifd: pd.Series, others: pd.Series) -> str:
    found = paired(gifd, others)
    return f"{found.mean:+.1f} [{found.low:+.1f}, {found.high:+.1f}], {found.wins}/{found.n}"


def _listed(radii: object) -> str:
    """Return the radii as text; "none" if nothing reaches them, "-" without any."""
    values = [] if str(radii) in ("None", "nan") else ast.literal_eval(str(radii))
    if not values:
        return "-"
    return "none" if min(values) >= NO_BALL else ", ".join(f"{each:g}" for each in values)


def _complete(radii: str) -> tuple[bool, int]:
    """Return an order in which the list with balls for the most layers is the last."""
    return radii != "none", len(radii.split(","))
