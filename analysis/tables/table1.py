"""Table 1: SPEAR beside gradient matching (Geiping et al.) and CI-Net, ImageNet, b = 20, m = 200.

PSNR in dB, mean ± standard deviation over batches; the paper does not say how many batches it has.
Time: median, with its hardware. Both rivals are given the labels. Gradient matching is shortened
from its authors' 24,000 iterations; the time that all of them take is computed from the measured
seconds per iteration, as is CI-Net's for its authors' iterations (2,000 at 32 pixels), each with
its ratio to the descent's on the same batches. CI-Net is too slow for a CPU at 256 pixels: at 32
pixels every method has the same batches, for which the paper has no values. There CI-Net on a ReLU
is above Geiping et al., in the paper (at 256 pixels) below. The paper's SPEAR needs a ReLU; a layer
pair inverts the Sigmoid network, too.
"""

import pandas as pd

from spear.analysis.paper.columns import WITH_RIVALS, three_columns
from spear.analysis.paper.comparison import METHOD, Cell, mean, papers, seconds
from spear.analysis.statistics import measures

EXPERIMENTS = ("table1", "table1_256px_sigmoid", "table1_32px", "table1_32px_sigmoid")
KEYS = {METHOD: METHOD, "pixels": "dataset.resolution"}
COMPARED = {"psnr": mean("psnr", text=measures.with_deviation), "seconds": seconds()}

METHODS = {
    ("spear_irls", "fcnn"): "spear",
    ("spear", "fcnn"): "spear",
    ("spear_paper", "fcnn"): "spear",
    ("geiping", "fcnn"): "geiping",
    ("geiping_1000", "fcnn"): "geiping",
    ("ci_net", "fcnn"): "ci_net_relu",
    ("ci_net", "fcnn_sigmoid"): "ci_net_sigmoid",
    ("spear_pair", "fcnn_sigmoid"): "pair_sigmoid",
}
"""Attack and network -> the paper's row; `pair_sigmoid` is ours alone."""

SMALL = 32
"""Pixels at which a CPU can run every method."""


def prepared(results: pd.DataFrame) -> pd.DataFrame:
    """Return the batches with a column `method`, the paper's name for it."""
    pairs = zip(results["attack"], results["network"], strict=True)
    return results.assign(method=[METHODS[pair] for pair in pairs])


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each measure of each method, the paper's size of the pictures first."""
    results = prepared(results)
    descent = results[results["attack"] == "spear_irls"].groupby("dataset.resolution")
    medians = descent["seconds"].median()

    def whole(cell: Cell) -> str:
        return _whole(cell, medians)

    more = {"iterations": _iterations, "with its authors' iterations": whole}
    given = papers("table1")
    own = pd.DataFrame({METHOD: ["pair_sigmoid"], "pixels": [given["pixels"].iloc[0]]})
    small = pd.DataFrame({METHOD: [*given[METHOD], "pair_sigmoid"], "pixels": SMALL})
    return three_columns(
        "table1", results, KEYS, COMPARED, again=WITH_RIVALS,
        more_cells=pd.concat([own, small]), more=more,
    )  # fmt: skip


def _iterations(cell: Cell) -> str:
    batches = cell.again
    if cell.of_spear or "details.iterations" not in batches or batches.empty:
        return ""
    return f"{batches['details.iterations'].median():,.0f}"


def _whole(cell: Cell, descent: pd.Series) -> str:
    """Return the time of a rival with its authors' iterations, and its ratio to the descent's."""
    if cell.column != "seconds" or not _iterations(cell):
        return ""
    each = (cell.again["seconds"] / cell.again["details.iterations"]).median()
    pixels = int(cell.keys["pixels"])
    authors = each * _authors_iterations(cell.keys[METHOD], pixels)
    return f"{measures.duration(authors)}, {measures.times(authors / descent[pixels])}"


def _authors_iterations(method: str, pixels: int) -> int:
    """Return the iterations that a rival's authors use; CI-Net's depend on the data set."""
    if method == "geiping":
        return 24_000
    return 2_000 if pixels <= SMALL else 30_000
