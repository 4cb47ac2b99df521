"""Tables of label matching and of GIFD's variants, of batches made for the purpose."""

import numpy as np
import pandas as pd
import pytest

from spear.analysis.tables import gifd_variants, label_matching

MATCHED = pd.DataFrame(
    {
        "augmentation": "mixup",
        "attack": ["geiping", "geiping_recovered_labels", "geiping_sign_labels"],
        "attack.regularisers.features.weight": [0.1, 1.0, 1.0],
        "psnr": [20.0, 21.0, 9.0],
    }
)


def images(cells: pd.DataFrame, n: int) -> pd.DataFrame:
    """n batches of each cell; the PSNR of batch k is k higher."""
    found = cells.merge(pd.DataFrame({"batch": range(n)}), how="cross")
    return found.assign(psnr=found["psnr"] + found["batch"], ssim=0.5, lpips=0.25, seconds=3.0,
                        seed=0)  # fmt: skip


def test_labels_given_recovered_and_wrong():
    rows = label_matching.table(images(MATCHED, 3)).set_index("the server's")
    assert rows["PSNR [dB]"].to_dict() == {
        "true, given": "21.0 ± 1.0",
        "recovered": "22.0 ± 1.0",
        "wrong (iDLG's signs)": "10.0 ± 1.0",
    }
    assert set(rows["noise"]) == {"0"}
    assert rows["weight"].tolist() == ["0.1", "1", "1"]


def test_weights_and_noise_have_rows_of_their_own():
    noisy = MATCHED[1:2].assign(**{"defense.noise_std": 1e-4})
    rows = label_matching.table(images(pd.concat([MATCHED, noisy]), 2))
    assert rows["noise"].tolist() == ["0", "0", "0", "0.0001"]


def gifd(b: int, attack: str, radii: str | None, psnr: float) -> pd.DataFrame:
    return pd.DataFrame({"batch_size": b, "attack": attack, "attack.radii": [radii], "psnr": psnr})


def test_variants_are_paired_with_all_balls():
    cells = [
        gifd(1, "gifd", "[400, 800, 1200]", 25.0),
        gifd(1, "gifd", "[1000000000.0, 1000000000.0, 1000000000.0]", 22.0),
        gifd(1, "gifd", "[400]", 21.0),
    ]
    rows = gifd_variants.table(images(pd.concat(cells), 5)).set_index("radii")
    assert rows.loc["400, 800, 1200", "GIFD's lead [dB]"] == ""
    assert rows.loc["400", "GIFD's lead [dB]"].startswith("+4.0 [")
    assert rows.loc["none", "GIFD's lead [dB]"].startswith("+3.0 [")
    assert rows.loc["none", "GIFD's lead [dB]"].endswith("5/5")


@pytest.mark.parametrize("b", [2, 8])
def test_batches_are_paired_with_gifd_of_their_size(b):
    sizes = [
        pd.concat([gifd(n, "gifd", "[400]", 20.0 + n), gifd(n, "geiping", None, 15.0)])
        for n in (2, 8)
    ]
    found = images(pd.concat(sizes), 4)
    found["psnr"] += np.random.default_rng(0).normal(size=len(found)) * 1e-3
    rows = gifd_variants.table(found)
    (row,) = rows[(rows["b"] == str(b)) & (rows["attack"] == "gradient matching")].to_dict(
        "records"
    )
    assert row["radii"] == "-"
    assert row["GIFD's lead [dB]"].startswith(f"{5.0 + b:+.1f} [")
