"""Images behind a vision transformer's gradient under each defense: 4 CIFAR-10 images of 4 patches.

Images right: every pixel of all patches, by the truth. Proven: batches called exact, and right.
Status: what the attack says of its results. PSNR: mean ± standard deviation over batches.
"""

import pandas as pd

from spear.analysis.statistics.whole_images import of_whole_images

EXPERIMENTS = ("vit_noise",)

NAMES = {
    "none": "none",
    "clipping": "clipping",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "gaussian_noise": "Gaussian noise",
    "dpsgd": "DP-SGD",
    "sparsification": "sparsification",
    "top_k": "top-k",
    "int8": "int8",
}
"""Defense -> what a row calls it."""


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each defense."""
    rows = []
    for defense, name in NAMES.items():
        batches = results[results["defense"] == defense]
        if not batches.empty:
            status = ", ".join(sorted(batches["status"].unique())).replace("_", " ")
            rows.append({"defense": name} | of_whole_images(batches) | {"status": status})
    return pd.DataFrame(rows)
