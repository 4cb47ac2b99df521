"""Table 5: larger batches by gradient matching, by SPEAR with it as a prior, and by the descent.

Tiny ImageNet. PSNR in dB, mean ± standard deviation over batches; accuracy: batches with all
directions right; seconds: median on one thread. Gradient matching with a hundredth of its authors'
total variation and 300 iterations instead of 24,000, both alone and as the prior; the paper does
not say how it was set. The descent uses no prior; the paper has nothing to compare it with.
"""

import pandas as pd

from spear.analysis.paper.comparison import mean, mean_verdict, papers, share
from spear.analysis.statistics.measures import duration, with_deviation

EXPERIMENTS = ("table5", "table5_b100")
KEYS = {"attack": "attack", "b": "batch_size", "m": "network.width"}
COMPARED = {"psnr": mean("psnr"), "accuracy": share("exact")}

NAMES = {
    "geiping_low_tv": "gradient matching",
    "spear_prior": "SPEAR with that prior",
    "spear_irls": "descent, no prior",
}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each batch size and attack."""
    paper = {(row["attack"], row["b"], row["m"]): row for _, row in papers("table5").iterrows()}
    rows = []
    for (b, m), cell in results.groupby(["batch_size", "network.width"]):
        for attack, name in NAMES.items():
            ours = cell[cell["attack"] == attack]
            theirs = paper.get((attack, b, m))
            rows.append(
                {
                    "b": str(b),
                    "m": str(m),
                    "attack": name,
                    "PSNR: paper": "" if theirs is None else f"{theirs['psnr']:.1f}",
                    "batches": str(len(ours)),
                    "ours": with_deviation(ours["psnr"]),
                    "PSNR": _verdict(ours["psnr"], theirs),
                    "accuracy: paper": _per_cent(theirs),
                    "ours ": f"{ours['exact'].sum()}/{len(ours)}" if _proves(attack) else "",
                    "seconds": duration(ours["seconds"].median()),
                }
            )
    return pd.DataFrame(rows)


def _verdict(values: pd.Series, paper: pd.Series | None) -> str:
    """Return a verdict; none for a single batch, which has no interval."""
    return "" if paper is None or len(values) == 1 else mean_verdict(values, paper["psnr"])


def _proves(attack: str) -> bool:
    """Return whether an attack finds directions."""
    return attack.startswith("spear")


def _per_cent(paper: pd.Series | None) -> str:
    return "" if paper is None or pd.isna(paper["accuracy"]) else f"{paper['accuracy']:g} %"
