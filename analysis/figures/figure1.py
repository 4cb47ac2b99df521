"""Figure 1: four images of a batch of 20 by the descent (ours), by gradient matching, originals.

By the PSNR of gradient matching they are the best of Figure 9's batch, those at one and two thirds
of the ranks, and the worst; the paper does not say how it chose its four. The PSNR beside a row is
the mean over all 20 images.
"""

import pandas as pd
from matplotlib.figure import Figure

from spear.analysis.render.image_rows import NAMES, ORIGINAL, PictureRows
from spear.scoring import psnr

EXPERIMENTS = ("figure9",)

N_IMAGES = 4


def draw(results: pd.DataFrame) -> Figure:
    """Draw four images beside each other."""
    each = PictureRows.of(results)
    matched = next(
        row for label, row in each.rows.items() if label.startswith(NAMES["geiping_1000"])
    )
    ranked = psnr(matched, each.rows[ORIGINAL]).argsort(descending=True).tolist()
    last = len(ranked) - 1
    return each.chosen([ranked[k * last // (N_IMAGES - 1)] for k in range(N_IMAGES)]).draw(4.0)
