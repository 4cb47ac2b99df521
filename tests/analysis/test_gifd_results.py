"""How attacks on the same pictures are compared."""

import numpy as np
import pandas as pd
import pytest

from spear.analysis.figures import gifd as figure
from spear.analysis.statistics.paired import paired
from spear.analysis.tables import gifd


def batches(attack: str, psnr: list[float], **more: object) -> pd.DataFrame:
    stage = np.nan if attack == "geiping" else 0
    n = len(psnr)
    columns = {
        "attack": attack, "attack.iterations": 400, "dataset": "cifar10", "defense": "none",
        "batch": range(n), "psnr": psnr, "ssim": 0.5, "lpips": [1 / each for each in psnr],
        "seconds": 2.0, "details.stage": stage,
    }  # fmt: skip
    return pd.DataFrame({**columns, **more})


RESULTS = pd.concat(
    [
        batches("geiping", [10.0, 20.0, 12.0, 14.0, 16.0, 11.0]),
        batches("geiping", [15.0, 25.0, 17.0, 19.0, 21.0, 16.0], **{"attack.iterations": 2000}),
        batches("latent_search", [20.0, 21.0, 22.0, 23.0, 24.0, 25.0]),
        batches("gifd", [26.0, 23.0, 25.0, 27.0, 25.0, 24.0]).assign(
            **{"details.stage": [3, 3, 2, 3, 0, 3]}
        ),
    ]
)


def test_differences_are_of_the_same_pictures():
    ours = pd.Series([3.0, 1.0, 5.0, 4.0, 6.0], index=[4, 3, 2, 1, 0])
    others = pd.Series([5.0, 3.0, 4.0, 2.0, 2.0], index=[0, 1, 2, 3, 4])
    found = paired(ours, others)
    assert (found.mean, found.wins, found.n) == (pytest.approx(0.6), 4, 5)
    assert -1 < found.low < 0.6 < found.high <= 1
    assert found.p == pytest.approx(0.375)  # 12 of 32 signings of ranks 3 3 3 3 3 go as far


def test_every_attack_has_its_row_and_gifd_no_lead_over_itself():
    rows = gifd.table(RESULTS).set_index(["attack", "iterations"])
    assert list(rows.index) == [
        ("gradient matching", "400"), ("gradient matching", "2,000"),
        ("latents alone", "400"), ("GIFD", "400"),
    ]  # fmt: skip
    assert rows.loc[("GIFD", "400"), "stage"] == "0: 1, 2: 1, 3: 4"
    assert rows.loc[("GIFD", "400"), "GIFD's lead: PSNR [dB]"] == ""
    lead = rows.loc[("latents alone", "400"), "GIFD's lead: PSNR [dB]"]
    assert lead.startswith("+2.5 [+")
    assert ", 5/6, p = 0.09" in lead
    assert rows.loc[("latents alone", "400"), "LPIPS "].startswith("-0.0")


def test_the_figure_has_a_panel_for_each_setting():
    more = RESULTS.assign(defense="soteria")
    drawn = figure.draw(pd.concat([RESULTS, more]))
    titles = [axes.get_title() for axes in drawn.axes]
    assert titles == ["no defense", "Soteria"]
    assert drawn.axes[0].get_ylabel() == "in distribution\nPSNR [dB]"
    assert len(drawn.axes[0].collections) == 3  # the shortest gradient matching alone
