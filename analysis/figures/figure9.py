"""Figure 9: all images of Figure 1's batch by the descent (ours), by gradient matching, originals.

Tiny ImageNet, a batch of one class, b = 20, m = 200, as in Table 8; the paper does not say which
class. PSNR: mean over the batch. Gradient matching (Geiping et al.) is given the labels and runs
1,000 of its authors' 24,000 iterations.
"""

import pandas as pd
from matplotlib.figure import Figure

from spear.analysis.render.image_rows import PictureRows

EXPERIMENTS = ("figure9",)


def draw(results: pd.DataFrame) -> Figure:
    """Draw the images in two strips of ten."""
    return PictureRows.of(results).draw()
