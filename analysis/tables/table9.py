"""Table 9: DP-SGD by clipping norm C and noise sigma, Tiny ImageNet, b = 20.

PSNR in dB, mean ± standard deviation over batches; bound: least squares if dL/dZ were known;
accuracy: batches with all directions right but for noise (|cos| >= 0.9). The paper does not define
its accuracy under noise; "20 dB everywhere" counts the batches of ours with 20 dB or more in every
image instead, which fewer reach. Of 100 examples, all are clipped at C = 1.25 and 37 at C = 2, for
which the paper says that most are not. sigma / |g|: the noise as a multiple of the median magnitude
of the undefended gradient of the attacked layer (the paper: about 1 at sigma = 1e-4).

Sigma is on every entry of the mean gradient here; `table9_scales` has other readings, and Algorithm
1's cells.
"""

import pandas as pd

from spear.analysis.paper.columns import WITH_RIVALS, bound, three_columns
from spear.analysis.paper.comparison import Cell, mean, share
from spear.analysis.paper.defended import TABLE9 as KEYS
from spear.analysis.paper.defended import with_near as prepared
from spear.analysis.statistics.measures import duration, with_deviation

EXPERIMENTS = ("table9",)
ALSO = ("table9_geiping",)
COMPARED = {"psnr": mean("psnr", text=with_deviation), "accuracy": share("near")}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each measure of each row of the paper's table."""
    median = results["gradient_median"].median()

    def ratio(cell: Cell) -> str:
        noisy = cell.column == "psnr" and cell.of_spear
        return f"{float(cell.keys['sigma']) / median:.2g}" if noisy else ""

    more = {"bound": bound, "sigma / |g|": ratio, "20 dB everywhere": recovered, "time": _time}
    return three_columns(
        "table9", prepared(results), KEYS, COMPARED, again=WITH_RIVALS, more=more
    )  # fmt: skip


def recovered(cell: Cell) -> str:
    """Return the batches of ours with 20 dB or more in every image, beside an accuracy."""
    if cell.column != "accuracy" or cell.ours.empty:
        return ""
    return f"{int((cell.ours['recovered'] == 1.0).sum())}/{len(cell.ours)}"


def _time(cell: Cell) -> str:
    return duration(float(cell.ours["seconds"].median())) if len(cell.ours) else ""
