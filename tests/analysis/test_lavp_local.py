"""Local descents beside forecasts, of images made for the purpose."""

import numpy as np
import pandas as pd

from spear.analysis.tables import lavp_local

LEFT = np.linspace(0.1, 0.9, 9)


def images(network: str = "fcnn") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "network": network, "dataset": "mnist", "batch": range(9),
            lavp_local.DISTANCE: 0.1, "psnr": -LEFT, "details.gradient_norm": np.ones(9),
            "details.local_l2_left": LEFT, "details.local_cosine_left": LEFT[::-1],
            "details.local_l2_loss": LEFT / 10, "details.local_cosine_loss": LEFT,
            **{f"details.lavp_{loss}_{end}": LEFT for loss in ("l2", "cosine")
               for end in ("max", "min")},
        }
    )  # fmt: skip


def test_forecasts_that_rank_as_the_descent_does_or_the_other_way_round():
    l2, cosine = lavp_local.table(images()).to_dict("records")
    assert (l2["loss"], cosine["loss"]) == ("L2", "cosine")
    assert l2["distance left"] == cosine["distance left"] == "0.5"
    assert (l2["loss left"], cosine["loss left"]) == ("0.05", "0.5")
    for end in ("largest eigenvalue", "smallest eigenvalue"):
        assert l2[end].startswith("1.00 [")
        assert cosine[end].startswith("-1.00 [")
    assert l2["norm"] == "-"
    assert l2["PSNR from random inputs"].startswith("-1.00 [")


def test_each_network_and_distance_has_rows_of_its_own():
    other = images("lenet").assign(**{lavp_local.DISTANCE: 0.01})
    rows = lavp_local.table(pd.concat([images(), images("lenet"), other]))
    assert rows["distance"].tolist() == ["0.1", "0.1", "0.01", "0.01", "0.1", "0.1"]
    assert set(rows["images"]) == {"9"}
