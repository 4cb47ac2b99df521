"""Algorithm 1 beside the descent (ours), on the same batches of Tables 3, 4 and 10.

Only batches that both have seen; `paper_sampling` has CIFAR-10. Exact: all directions right; dB:
mean PSNR, where the attacked layer's inputs are images; submatrices and times: medians. Sampling
is by information sets; for FedAvg it is the noisy mode of App. E.6, whose submatrices have b + 1
rows. The two ran on different chips, and ten jobs shared the GPU, so that no ratio of their times
is given; `side_by_side` has those. At layer 5 columns have fewer zeros among the rows that some
sample activates. One submatrix in 8e11 to 2e14 meets the rarest of a batch
(`benchmarks.rarest_column`, 5 batches), and sampling was not tried.
"""

import pandas as pd

from spear.analysis.render.methods import ALGORITHM_1, OURS
from spear.analysis.statistics.measures import count, duration

PAIRS = {
    "Table 3": ("table3", "table3_sampling", "dataset"),
    "Table 4, layer": ("table4", "table4_sampling", "attack.layer"),
    "Table 10, E =": ("table10", "table10_sampling", "fedavg.epochs"),
}
"""Table of the paper, its experiments by descent and by sampling, and the key that they sweep."""

EXPERIMENTS = tuple(name for descent, sampling, _ in PAIRS.values() for name in (descent, sampling))


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each cell that sampling has batches of, too."""
    rows = []
    for title, (descent, sampling, key) in PAIRS.items():
        of = {name: results[results["experiment"] == name] for name in (sampling, descent)}
        for value in sorted(of[sampling][key].unique()):
            sampled, other = (each[each[key] == value] for each in of.values())
            found = other[other["batch"].isin(sampled["batch"])]
            rows.append(
                {"of": f"{title} {value:g}" if key != "dataset" else f"{title} {value}"}
                | {"batches": str(len(found))}
                | _columns(ALGORITHM_1, sampled)
                | {"submatrices": count(sampled["submatrices"].median())}
                | _columns(OURS, found)
            )
    return pd.DataFrame(rows)


def _columns(search: str, batches: pd.DataFrame) -> dict[str, str]:
    """Return one search's columns: share of exact batches, PSNR, time and hardware."""
    psnr = batches["psnr"].mean()
    chip = batches["hardware.gpu" if batches["device"].iloc[0] == "cuda" else "hardware.cpu"]
    return {
        f"{search}: exact": f"{batches['exact'].sum()}/{len(batches)}",
        f"{search}: dB": f"{psnr:.1f}" if pd.notna(psnr) else "",
        f"{search}: time": f"{duration(batches['seconds'].median())}, {chip.iloc[0]}",
    }
