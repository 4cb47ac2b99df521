"""Tables of label matching and of GIFD's variants, of batches made for the purpose."""

import numpy as np
import pandas as pd
import pytest

from spear.analysis.figures import gifd_baselines as figure
from spear.analysis.statistics import related
from spear.analysis.tables import gifd_baselines, gifd_variants, label_matching, label_matching_vgg

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


def test_an_image_of_both_experiments_counts_once():
    found = pd.concat([images(MATCHED, 3), images(MATCHED[1:2], 1)], ignore_index=True)
    rows = label_matching.table(found).set_index("the server's")
    assert rows.loc["recovered", "PSNR [dB]"] == "22.0 ± 1.0"


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


def beside(b: int, attack: str, psnr: float, iterations: float = 400) -> pd.DataFrame:
    right = 0.75 if attack in ("ggl", "gifd_counted_labels") else np.nan
    given = {"batch_size": b, "attack": attack, "attack.iterations": iterations}
    return images(pd.DataFrame({**given, "psnr": [psnr], "label_accuracy": right}), 6)


BESIDE = pd.concat(
    [
        beside(1, "geiping", 19.0), beside(1, "geiping", 30.0, 2000), beside(1, "gifd", 25.0),
        beside(1, "ggl", 15.0, np.nan), beside(1, "gifd_counted_labels", 25.0),
        beside(2, "gifd", 20.0), beside(2, "ggl", 12.0, np.nan),
    ]
)  # fmt: skip


def test_what_gifd_is_compared_with_is_paired_with_it():
    rows = gifd_baselines.table(BESIDE).set_index(["b", "attack"])
    assert list(rows.index) == [
        ("1", "gradient matching"), ("1", "GGL"), ("1", "GIFD"), ("1", "GIFD, counted labels"),
        ("2", "GGL"), ("2", "GIFD"),
    ]  # fmt: skip
    assert rows.loc[("1", "gradient matching"), "batches"] == "6"  # the shorter one alone
    assert rows.loc[("1", "gradient matching"), "GIFD's lead [dB]"] == "+6.0"
    assert rows.loc[("1", "GIFD"), "GIFD's lead [dB]"] == ""
    assert rows.loc[("2", "GGL"), "GIFD's lead [dB]"] == "+8.0"
    assert rows.loc[("1", "GGL"), "labels"] == "counted, 75% right"
    assert rows.loc[("2", "GGL"), "labels"] == "counted"
    assert rows.loc[("1", "GIFD"), "labels"] == "given"
    assert rows["generator"].tolist() == ["no", "yes", "yes", "yes", "yes", "yes"]


def test_leads_have_intervals():
    found = BESIDE.copy()
    found["psnr"] += np.random.default_rng(0).normal(size=len(found))
    rows = gifd_baselines.table(found).set_index(["b", "attack"])
    lead = rows.loc[("1", "GGL"), "GIFD's lead [dB]"]
    assert lead.endswith(", 6/6")
    low, high = (float(each) for each in lead.split("[")[1].split("]")[0].split(", "))
    assert low < found_mean(found) < high


def found_mean(results: pd.DataFrame) -> float:
    cells = related.compared(results)
    return float((cells[1, "gifd"]["psnr"] - cells[1, "ggl"]["psnr"]).mean())


def test_the_figure_has_a_line_for_each_attack():
    drawn = figure.draw(BESIDE)
    left, right = drawn.axes
    assert left.get_ylabel() == "PSNR [dB]"
    assert right.get_ylabel() == "LPIPS"
    labels = left.get_legend_handles_labels()[1]
    assert labels == ["gradient matching", "GGL", "GIFD", "GIFD, counted labels"]


def test_the_vgg_has_the_same_columns():
    assert label_matching_vgg.table(images(MATCHED, 3)).equals(
        label_matching.table(images(MATCHED, 3))
    )
