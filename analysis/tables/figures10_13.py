"""Figures 10 to 13: reconstructions of Tiny ImageNet, for four of the batches of Table 3.

At the 10th, 50th and 90th percentile of PSNR (mean over the batch), and the worst. The paper's
worst batch has 2 wrong directions and 91.2 dB.
"""

from pathlib import Path

import pandas as pd

from spear.analysis.render.links import linkable
from spear.analysis.statistics.percentiles import PERCENTILES

EXPERIMENTS = ("figures10_13",)
COLUMN = "original, reconstruction and magnified error"


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return each figure's title with its picture below, as links to the files.

    Raises:
        FileNotFoundError: a job's picture was not collected.
    """
    worst, *others = (batch for _, batch in results.sort_values("psnr").iterrows())
    rows = []
    for batch, (name, share) in zip([*others, worst], PERCENTILES.items(), strict=True):
        picture = Path(batch["picture"])
        if not picture.is_file():
            raise FileNotFoundError(
                f"{picture} is missing; collect it by "
                "`spear collect --images outputs/figures10_13`."
            )
        which = f"{share}th percentile" if share else "the worst"
        title = f"{name}: {which}, batch {batch['batch']}, {batch['psnr']:.1f} dB"
        link = linkable(picture)
        rows += [f"**{title}**", f"![{title}]({link})"]
    return pd.DataFrame({COLUMN: rows})
