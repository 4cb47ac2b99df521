"""LAVP and the gradient's norm as forecasts of local optimisation, which LAVP's theory is about.

A descent on each matching loss starts from the truth plus noise, which is the same for all images
(distance: its root mean square in an entry of the inputs, as the network receives them). Only the
client knows the truth: this is a study of the theory (arXiv 2312.12488, Table 5) and no attack.
Distance left: of the candidate of the least loss from the truth, as a multiple of that of the
start; loss left: likewise; medians over images.

Spearman's rho, with 95 % bootstrap intervals, of the distance left with what the client computes
beforehand, and with the PSNR of gradient matching from random inputs by the cosine distance. In
theory the loss drops more, and less distance is left, the smaller the eigenvalues are: rho should
be above 0. The paper of LAVP is not available to us in full, and noise and descent are our choice.
A dash: the eigenvalue was not found, or is the same for all.
"""

from collections.abc import Iterator

import pandas as pd

from spear.analysis.statistics.rank_correlation import (
    DATASETS,
    LOSS_NAMES,
    NETWORKS,
    NORM,
    correlation,
)

EXPERIMENTS = ("lavp_local",)

DISTANCE = "risk.forecasts.local.distance"


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each network, data set and loss of the descent."""
    return pd.DataFrame([*_rows(results)])


def _rows(results: pd.DataFrame) -> Iterator[dict[str, str]]:
    for network, of_network in NETWORKS.items():
        for dataset, of_dataset in DATASETS.items():
            chosen = (results["network"] == network) & (results["dataset"] == dataset)
            for distance, images in results[chosen].groupby(DISTANCE):
                for loss, name in LOSS_NAMES.items():
                    left = images[f"details.local_{loss}_left"]
                    ranked = {
                        "norm": NORM,
                        "largest eigenvalue": f"details.lavp_{loss}_max",
                        "smallest eigenvalue": f"details.lavp_{loss}_min",
                        "PSNR from random inputs": "psnr",
                    }
                    yield {
                        "network": of_network,
                        "data": of_dataset,
                        "loss": name,
                        "images": str(len(images)),
                        "distance": f"{distance:g}",
                        "distance left": f"{left.median():.2g}",
                        "loss left": f"{images[f'details.local_{loss}_loss'].median():.2g}",
                        **{title: _rho(images[each], left) for title, each in ranked.items()},
                    }


def _rho(proxy: pd.Series, left: pd.Series) -> str:
    rho = correlation(proxy, left)
    return "-" if rho is None else str(rho)
