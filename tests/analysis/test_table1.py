"""Table 1 and Figures 1 and 9: each job in its place."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from spear.analysis.figures import figure1, figure9
from spear.analysis.paper.columns import IMPROVED, REPRODUCED, THE_PAPER, WITH_RIVALS
from spear.analysis.paper.comparison import comparisons
from spear.analysis.render.image_rows import PictureRows
from spear.analysis.render.methods import NOT_RUN
from spear.analysis.tables import table1
from spear.scoring.sheet import image_sheet


@pytest.fixture
def results() -> pd.DataFrame:
    """Two batches a job."""
    jobs = pd.DataFrame(
        {
            "attack": ["geiping_1000", "spear_irls", "ci_net", "ci_net", "spear_irls"],
            "network": ["fcnn", "fcnn", "fcnn", "fcnn_sigmoid", "fcnn"],
            "dataset.resolution": [256, 256, 32, 32, 32],
            "psnr": [19.6, 160.0, 15.0, 39.0, 150.0],
            "seconds": [500.0, 2.0, 200.0, 400.0, 0.1],
            "details.iterations": [1000.0, None, 1000.0, 2000.0, None],
        }
    )
    other = jobs.assign(psnr=jobs["psnr"] + 0.2)
    return pd.concat([jobs, other], ignore_index=True)


def test_every_method_has_its_row_at_its_size(results):
    found = table1.table(results)
    psnr = found[found["measure"] == "PSNR [dB]"].set_index(["pixels", "method"])
    time = found[found["measure"] == "time"].set_index(["pixels", "method"])
    assert [*psnr.index] == [
        ("256", "CI-Net, Sigmoid"),
        ("256", "CI-Net, ReLU"),
        ("256", "Geiping et al."),
        ("256", "SPEAR"),
        ("32", "CI-Net, Sigmoid"),
        ("32", "CI-Net, ReLU"),
        ("32", "SPEAR"),
    ]
    geiping = psnr.loc[("256", "Geiping et al.")]
    assert geiping[[WITH_RIVALS, THE_PAPER, REPRODUCED]].tolist() == ["19.7 ± 0.1", "19.6", "yes"]
    # 24,000 iterations of half a second, and 6,000 times the 2 seconds of the descent
    whole = "with its authors' iterations"
    assert time.loc[("256", "Geiping et al."), whole] == "3.3 h, 6,000 x"
    assert psnr.loc[("256", "SPEAR"), [WITH_RIVALS, IMPROVED]].tolist() == [NOT_RUN, "better"]
    assert psnr.loc[("256", "CI-Net, ReLU"), [THE_PAPER, WITH_RIVALS]].tolist() == ["15.6", NOT_RUN]
    relu = psnr.loc[("32", "CI-Net, ReLU")]
    assert relu[[THE_PAPER, WITH_RIVALS, REPRODUCED]].tolist() == ["-", "15.1 ± 0.1", ""]
    for name in ("ReLU", "Sigmoid"):
        assert time.loc[("32", f"CI-Net, {name}"), whole] == "6.7 min, 4,000 x"
    assert psnr.loc[("32", "SPEAR"), [THE_PAPER, WITH_RIVALS]].tolist() == ["-", ""]


def test_only_what_has_the_papers_size_is_compared(results):
    found = comparisons("table1", table1.prepared(results), table1.KEYS, table1.COMPARED)
    found = found[found["measure"] == "psnr"].set_index("cell")[["reproduced", "ours"]]
    assert found.loc["method = geiping, pixels = 256"].tolist() == ["yes", ""]
    assert found.loc["method = spear, pixels = 256"].tolist() == ["", "better"]
    assert not found.loc[[cell for cell in found.index if "ci_net" in cell]].any(axis=None)


def sheets(folder: Path, b: int = 20) -> pd.DataFrame:
    """Originals of one colour each; gradient matching is the further off the later they come."""
    truth = torch.linspace(0, 200, b).round()[:, None, None, None].expand(b, 3, 8, 8) / 255
    wrong = (truth + torch.linspace(0.01, 0.2, b)[:, None, None, None]).clamp(max=1.0)
    rows = []
    for attack, found in (("spear_irls", truth), ("geiping_1000", wrong)):
        image_sheet(truth, found, folder / f"{attack}.png")
        rows.append((attack, b, 20.0, str(folder / f"{attack}.png")))
    return pd.DataFrame(rows, columns=["attack", "batch_size", "psnr", "sheet"])


def test_figure_9_has_all_images_and_figure_1_four_from_best_to_worst(tmp_path):
    found = sheets(tmp_path)
    strips = [axes.images[0].get_array() for axes in figure9.draw(found).axes]
    assert len(strips) == 2
    four = figure1.draw(found).axes[0].images[0].get_array()
    labels = [text.get_text() for text in figure1.draw(found).axes[0].get_yticklabels()]
    assert [label.split("\n")[0] for label in labels] == [
        "descent (ours)",
        "Geiping et al.",
        "original",
    ]
    originals = np.asarray(four)[-8, ::8, 0][:4] * 255
    np.testing.assert_allclose(originals, torch.linspace(0, 200, 20).round()[[0, 6, 12, 19]])


def test_figures_say_what_is_missing(tmp_path):
    found = sheets(tmp_path)
    other = sheets(tmp_path / "other", b=10).loc[1, "sheet"]
    with pytest.raises(ValueError, match="batches differ"):
        PictureRows.of(found.assign(sheet=[found.loc[0, "sheet"], other]))
    (tmp_path / "spear_irls.png").unlink()
    with pytest.raises(FileNotFoundError, match="spear collect --sheets outputs/figure9"):
        PictureRows.of(found)
