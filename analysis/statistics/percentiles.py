"""Batches of Table 3 that Figures 10 to 13 show (`spear percentiles`)."""

import pandas as pd

PERCENTILES = {"Figure 10": 10, "Figure 11": 50, "Figure 12": 90, "Figure 13": 0}
"""Figure -> percentile of its batch by mean PSNR among those of Tiny ImageNet; 0 is the worst."""


def shown(table3: pd.DataFrame) -> dict[str, int]:
    """Return the number of each figure's batch.

    A percentile is the smallest PSNR that this share of the batches does not exceed. So some batch
    has exactly this PSNR.
    """
    batches = table3[table3["dataset"] == "tiny_imagenet"].set_index("batch")["psnr"].sort_values()
    ranks = {name: max(-(-share * len(batches) // 100), 1) for name, share in PERCENTILES.items()}
    return {name: int(batches.index[rank - 1]) for name, rank in ranks.items()}
