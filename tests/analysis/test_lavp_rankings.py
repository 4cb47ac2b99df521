"""Rankings of pictures under two losses, beside those of pictures made for the purpose."""

import numpy as np
import pandas as pd
import pytest

from spear.analysis.tables import lavp_rankings


def pictures(attack: str, psnr: np.ndarray, **eigenvalues: np.ndarray) -> pd.DataFrame:
    n = len(psnr)
    return pd.DataFrame(
        {
            "network": "fcnn", "dataset": "mnist", "seed": 0, "attack": attack, "batch": range(n),
            "psnr": psnr, "details.gradient_norm": 1.0,
            **{f"details.lavp_{name}": values for name, values in eigenvalues.items()},
        }
    )  # fmt: skip


@pytest.mark.parametrize(("sign", "rho"), [(1, "1.00"), (-1, "-1.00")])
def test_one_ranking_or_its_reverse(sign, rho):
    values = np.arange(8.0)
    ends = {"l2_max": values, "cosine_max": sign * values, "l2_min": values, "cosine_min": -values}
    l2 = pictures("match_l2", values, **ends)
    cosine = pictures("match_cosine", 9 - sign * values, **ends)
    (row,) = lavp_rankings.table(pd.concat([l2, cosine])).to_dict("records")
    assert row["images"] == "8"
    assert row["PSNR reached"].startswith(f"{-sign:.2f} [")
    assert row["largest eigenvalue"].startswith(f"{rho} [")
    assert row["smallest eigenvalue"].startswith("-1.00 [")


def test_only_pictures_of_both_losses_are_ranked():
    values = np.arange(6.0)
    ends = {"l2_max": values, "cosine_max": values, "l2_min": values * 0, "cosine_min": values}
    l2, cosine = (pictures(each, values, **ends) for each in ("match_l2", "match_cosine"))
    (row,) = lavp_rankings.table(pd.concat([l2, cosine.iloc[:4]])).to_dict("records")
    assert row["images"] == "4"
    assert row["smallest eigenvalue"] == "-"
    assert lavp_rankings.table(l2).empty
