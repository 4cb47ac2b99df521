"""Images behind the gradient of a small vision transformer before and after training.

d = 192, 4 patches of CIFAR-10 images, float32. Images right: every pixel of all patches, by the
truth. Proven: batches called exact, and right. PSNR: mean ± standard deviation over batches.
"""

import pandas as pd

from spear.analysis.statistics.whole_images import HEADS, of_whole_images

EXPERIMENTS = ("vit_trained",)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each number of training steps, head and b."""
    rows = []
    for (steps, head, b), batches in results.groupby(
        ["network.steps", "network.head", "batch_size"]
    ):
        row = {"steps of training": str(steps), "head": HEADS[str(head)], "b": str(b)}
        rows.append(row | of_whole_images(batches))
    return pd.DataFrame(rows)
