"""Table 1: SPEAR beside gradient matching (Geiping et al.) and CI-Net, ImageNet, b = 20, m = 200.

PSNR in dB, mean ± standard deviation over batches, beside the paper's, which does not say how many
batches it has. Time: median of ours on one thread, the paper's on a GPU. Both competitors are given
the labels. Gradient matching is shortened from its authors' 24,000 iterations; the time that all of
them take is computed from the measured seconds per iteration, as is CI-Net's for its authors'
iterations (2,000 at 32 pixels), each with its ratio to SPEAR's. CI-Net is too slow for a CPU at 256
pixels: at 32 pixels every method has the same batches, and the paper's values of CI-Net (at 256)
are for orientation, without a verdict. The paper's SPEAR needs a ReLU; a layer pair inverts the
Sigmoid network, too.
"""

import pandas as pd

from spear.analysis.paper.comparison import mean, mean_verdict, papers
from spear.analysis.statistics import measures

EXPERIMENTS = ("table1", "table1_256px_sigmoid", "table1_32px", "table1_32px_sigmoid")
KEYS = {"method": "method", "pixels": "dataset.resolution"}
COMPARED = {"psnr": mean("psnr")}

METHODS = {
    ("spear_irls", "fcnn"): "spear",
    ("geiping", "fcnn"): "geiping",
    ("geiping_1000", "fcnn"): "geiping",
    ("ci_net", "fcnn"): "ci_net_relu",
    ("ci_net", "fcnn_sigmoid"): "ci_net_sigmoid",
    ("spear_pair", "fcnn_sigmoid"): "pair_sigmoid",
}
"""Attack and network -> the paper's row; `pair_sigmoid` is ours alone."""

NAMES = {
    "spear": "SPEAR",
    "pair_sigmoid": "layer pair, Sigmoid",
    "geiping": "Geiping et al.",
    "ci_net_relu": "CI-Net, ReLU",
    "ci_net_sigmoid": "CI-Net, Sigmoid",
}


def prepared(results: pd.DataFrame) -> pd.DataFrame:
    """Return the batches with a column `method`, the paper's name for it."""
    pairs = zip(results["attack"], results["network"], strict=True)
    return results.assign(method=[METHODS[pair] for pair in pairs])


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each method, at each size of the pictures from the paper's down."""
    paper = {row["method"]: row for _, row in papers("table1").iterrows()}
    rows = []
    for pixels, batches in reversed([*prepared(results).groupby("dataset.resolution")]):
        spear = batches.loc[batches["method"] == "spear", "seconds"].median()
        for method in NAMES:
            ours = batches[batches["method"] == method]
            if not ours.empty:
                rows.append(_row(method, int(pixels), ours, paper.get(method), spear))
    return pd.DataFrame(rows)


def _row(
    method: str, pixels: int, ours: pd.DataFrame, paper: pd.Series | None, spear: float
) -> dict[str, str]:
    iterations, whole = "", ""
    if "details.iterations" in ours and ours["details.iterations"].notna().any():
        each = (ours["seconds"] / ours["details.iterations"]).median()
        authors = each * _authors_iterations(method, pixels)
        iterations = f"{ours['details.iterations'].median():,.0f}"
        whole = f"{measures.duration(authors)}, {measures.times(authors / spear)}"
    value, verdict, time = _compared(method, pixels, ours, paper)
    return {
        "pixels": str(pixels),
        "method": NAMES[method],
        "batches": str(len(ours)),
        "PSNR: paper": value,
        "ours": measures.with_deviation(ours["psnr"]),
        "verdict": verdict,
        "iterations": iterations,
        "time: paper": time,
        "ours ": measures.duration(ours["seconds"].median()),
        "with its authors' iterations": whole,
    }


def _compared(
    method: str, pixels: int, ours: pd.DataFrame, paper: pd.Series | None
) -> tuple[str, str, str]:
    """Return the paper's PSNR, the verdict on ours, and the paper's time; empty if it has none."""
    if paper is None:
        return "", "", ""
    same_size = pixels == paper["pixels"]
    if not same_size and not method.startswith("ci_net"):
        return "", "", ""
    verdict = mean_verdict(ours["psnr"], paper["psnr"]) if same_size and len(ours) > 1 else ""
    return f"{paper['psnr']:.1f}", verdict, measures.duration(paper["seconds"])


def _authors_iterations(method: str, pixels: int) -> int:
    """Return the iterations that a competitor's authors use; CI-Net's depend on the data set."""
    if method == "geiping":
        return 24_000
    return 2_000 if pixels <= 32 else 30_000
