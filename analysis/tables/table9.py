"""Table 9: DP-SGD by clipping norm C and noise sigma, Tiny ImageNet, b = 20.

The noise has deviation sigma C and is on each example's clipped gradient, before their mean. The
paper does not say where it is; docs/theory/noise-of-table-9.md says what speaks for this reading,
and `table9_scales` has two others.

PSNR in dB, mean ± standard deviation over batches; bound: least squares if dL/dZ were known;
accuracy: batches with all directions right but for noise (|cos| >= 0.9). The paper does not define
its accuracy under noise; "20 dB everywhere" counts the batches of ours with 20 dB or more in every
image instead, which fewer reach. Clipped: share of the examples of ours whose gradient is longer
than C; the paper says that almost all are at C = 1, and most are not at C = 2. noise / |g|:
deviation of the noise in an entry of the mean as a multiple of the median magnitude of the
undefended gradient of the attacked layer.
"""

import pandas as pd

from spear.analysis.paper.columns import WITH_RIVALS, bound, three_columns
from spear.analysis.paper.comparison import Cell, mean, share
from spear.analysis.paper.defended import TABLE9 as KEYS
from spear.analysis.paper.defended import of_table9 as prepared
from spear.analysis.records.clipped import share_clipped
from spear.analysis.statistics.measures import duration, with_deviation
from spear.client.defenses import NoiseOnEachExample

EXPERIMENTS = ("table9_noise_per_example", "table9")  # the latter without noise
ALSO = (
    "table9_to_the_letter",
    "table9_without_noise_sampling",
    "table9_sampling",
    "table9_geiping",
)
COMPARED = {"psnr": mean("psnr", text=with_deviation), "accuracy": share("near")}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each measure of each row of the paper's table."""
    results = prepared(results)
    median = results["gradient_median"].median()

    def ratio(cell: Cell) -> str:
        if cell.column != "psnr" or cell.ours.empty:
            return ""
        noise = NoiseOnEachExample(float(cell.keys["C"]), float(cell.keys["sigma"]))
        return f"{noise.deviation(int(cell.ours['batch_size'].iloc[0])) / median:.2g}"

    more = {
        "clipped": _clipped,
        "bound": bound,
        "noise / |g|": ratio,
        "20 dB everywhere": recovered,
        "time": _time,
    }
    return three_columns("table9", results, KEYS, COMPARED, again=WITH_RIVALS, more=more)


def recovered(cell: Cell) -> str:
    """Return the batches of ours with 20 dB or more in every image, beside an accuracy."""
    if cell.column != "accuracy" or cell.ours.empty:
        return ""
    return f"{int((cell.ours['recovered'] == 1.0).sum())}/{len(cell.ours)}"


def _clipped(cell: Cell) -> str:
    if cell.column != "psnr" or cell.ours.empty:
        return ""
    share = share_clipped(cell.ours, float(cell.keys["C"]))
    return "" if share is None else f"{100 * share:.0f} %"


def _time(cell: Cell) -> str:
    return duration(float(cell.ours["seconds"].median())) if len(cell.ours) else ""
