"""Gradient matching with true, recovered and wrong labels, in a LeNet (arXiv 2402.03124).

One image of CIFAR-10 per batch, with a smoothed or mixed label. The server is given the true label,
recovers it with the last layer's input, or takes the one-hot label of iDLG's signs, which no soft
label is. "weight": of the distance to the recovered feature, beside that of the gradients; "noise":
deviation of the noise on every entry of the gradient. Mean ± standard deviation over images; LPIPS
and seconds: lower is better; seconds: median.
"""

import pandas as pd

from spear.analysis.statistics.measures import duration, with_deviation

EXPERIMENTS = ("label_recovery_matching", "label_recovery_features")

LABELS = {
    "geiping": "true, given",
    "geiping_recovered_labels": "recovered",
    "geiping_sign_labels": "wrong (iDLG's signs)",
}
MIXED = {"label_smoothing": "smoothed", "mixup": "mixed"}
WEIGHT, NOISE = "attack.regularisers.features.weight", "defense.noise_std"


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each kind of label, what the server has, weight and noise."""
    if NOISE not in results:
        results = results.assign(**{NOISE: 0.0})
    results = results.fillna({NOISE: 0.0})
    by = ["augmentation", NOISE, "attack", WEIGHT]
    results = results.drop_duplicates([*by, "seed", "batch"])  # both experiments have some
    return pd.DataFrame([_row(cell) for _, cell in results.groupby(by)])


def _row(images: pd.DataFrame) -> dict[str, str]:
    cell = images.iloc[0]
    return {
        "labels": MIXED[str(cell["augmentation"])],
        "noise": f"{cell[NOISE]:g}",
        "the server's": LABELS[str(cell["attack"])],
        "weight": f"{cell[WEIGHT]:g}",
        "images": str(images["batch"].nunique()),
        "PSNR [dB]": with_deviation(images["psnr"]),
        "SSIM": with_deviation(images["ssim"], ".2f"),
        "LPIPS": with_deviation(images["lpips"], ".3f"),
        "seconds": duration(float(images["seconds"].median())),
    }
