"""A vision transformer's gradient by three attacks on the same batches: CIFAR-10, d = 384.

APRIL's closed form is for one image. Gradient matching is given the labels. Images right: every
pixel of all patches, by the truth. Proven: batches called exact, and right. PSNR: mean ± standard
deviation over batches.
"""

import pandas as pd

from spear.analysis.statistics.whole_images import of_whole_images

EXPERIMENTS = ("vit_beside_others",)

NAMES = {
    "spear_vit": "linear algebra (ours)",
    "april": "APRIL",
    "geiping_1000": "Geiping et al., 1,000 iterations",
}
"""Attack -> what a row calls it."""


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each batch size and attack."""
    rows = []
    for b, cell in results.groupby("batch_size"):
        for attack, name in NAMES.items():
            batches = cell[cell["attack"] == attack]
            if not batches.empty:
                rows.append({"b": str(b), "attack": name} | of_whole_images(batches))
    return pd.DataFrame(rows)
