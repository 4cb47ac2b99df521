"""Tables of attacks on vision transformers."""

import pandas as pd
import pytest

from spear.analysis.statistics.whole_images import of_whole_images
from spear.analysis.tables import vit_beside_others, vit_noise, vit_trained


def batches(**settings: object) -> pd.DataFrame:
    """Three batches of four images: one proven, one right and not proven, one with three right."""
    frame = {"exact": [True, True, False], "status": ["exact", "approximate", "partial"]}
    frame |= {"directions_right": [4, 4, 3], "psnr": [120.0, 100.0, 80.0]}
    frame |= {"psnr_min": [110.0, 90.0, 12.0], "seconds": [1.0, 2.0, 9.0]}
    named = {key.replace("__", "."): value for key, value in settings.items()}
    return pd.DataFrame(frame | {"batch_size": 4} | named)


def test_images_and_proofs_are_counted():
    assert of_whole_images(batches()) == {
        "images right": "11/12", "proven": "1/3", "PSNR [dB]": "100.0 ± 20.0",
        "worst image [dB]": "12.0", "seconds": "2 s",
    }  # fmt: skip


def test_a_wrong_batch_that_is_called_exact_is_not_proven():
    assert of_whole_images(batches(status="exact"))["proven"] == "2/3"


@pytest.mark.parametrize(
    ("module", "cells", "rows"),
    [
        (vit_trained, [{"network__steps": 300, "network__head": "mean"}] * 2, 1),
        (vit_noise, [{"defense": "dpsgd"}, {"defense": "none"}], 2),
        (vit_beside_others, [{"attack": "april"}, {"attack": "spear_vit"}], 2),
    ],
)
def test_a_row_for_each_cell(module, cells, rows):
    table = module.table(pd.concat([batches(**each) for each in cells]))
    assert len(table) == rows
    assert table["images right"].iloc[0] == ("22/24" if rows == 1 else "11/12")


def test_the_statuses_of_a_defense_are_named():
    (row,) = vit_noise.table(batches(defense="int8")).to_dict("records")
    assert row["status"] == "approximate, exact, partial"
