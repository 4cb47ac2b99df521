"""Numbers in the sentences of the documentation follow from the committed records."""

import math
import re
from collections.abc import Iterator
from functools import cache

import pandas as pd
import pytest

from spear.analysis.paper.comparison import Cell, cells
from spear.analysis.paper.defended import with_near
from spear.analysis.records.store import RESULTS
from spear.analysis.render.rendering import load, results_of
from spear.analysis.statistics.privacy import epsilon
from spear.analysis.tables import table9
from spear.experiments.config.schema import CONF

pytestmark = pytest.mark.slow

ROOT = CONF.parent
PAPER, BEYOND, TEXT = "docs/paper.md", "docs/beyond-the-paper.md", "docs/api/text.md"

STOPPED = 0.05
"""Share of images up to which an attack counts as stopped."""


@cache
def page(name: str) -> str:
    """A page's text with single spaces."""
    return re.sub(r"\s+", " ", (ROOT / name).read_text())


@cache
def batches(experiment: str) -> pd.DataFrame:
    return load((experiment,), RESULTS)


@cache
def noisy(on_the_mean: bool = False) -> tuple[Cell, ...]:
    """PSNR of Table 9's cells of SPEAR with noise: on each example, as compared, or on the mean."""
    results = table9.prepared(results_of(table9, RESULTS))
    keys = table9.KEYS
    if on_the_mean:
        results = with_near(batches("table9"))
        keys = keys | {"sigma": "defense.noise_std"}
    found = cells("table9", results, keys, table9.COMPARED)
    return tuple(
        each
        for each in found
        if each.column == "psnr" and each.of_spear and float(each.keys["sigma"]) > 0
    )


def bound(cell: Cell) -> float:
    return float(cell.ours["psnr_bound"].mean())


def noisy_cell(c: str, sigma: str, on_the_mean: bool = False) -> Cell:
    key = (c, sigma)
    (found,) = (e for e in noisy(on_the_mean) if (e.keys["C"], e.keys["sigma"]) == key)
    return found


def recovered(experiment: str, **values: float) -> float:
    found = batches(experiment)
    for name, value in values.items():
        found = found[found[name.replace("__", ".")] == value]
    return float(found["recovered"].mean())


def by_noise(b: int, multiplier: float) -> float:
    return recovered("enough_noise", batch_size=b, defense__noise_multiplier=multiplier)


def by_epochs(b: int, epochs: int) -> float:
    return recovered("enough_epochs", batch_size=b, fedavg__epochs=epochs)


def sentences() -> Iterator[tuple[str, str]]:
    """Page, and a sentence of it with the numbers of the records."""
    ratio = 1e-4 / batches("table9")["gradient_median"].median()
    yield PAPER, f"sigma = 1e-4 is {ratio:.2f} of the gradient's median magnitude"
    corner = noisy_cell("2", "0.0001", on_the_mean=True)
    yield (
        PAPER,
        f"({corner.paper:.1f} dB at C = 2, sigma = 1e-4, where the bound is {bound(corner):.1f})",
    )
    cell = noisy_cell("1", "0.0001")
    ours, paper = cell.value(cell.ours), cell.paper
    yield PAPER, f"({ours:.1f} dB against {paper:.1f} at C = 1, sigma = 1e-4)"
    most = max(bound(each) - each.ours["psnr"].mean() for each in noisy())
    yield PAPER, f"within {math.ceil(10 * most) / 10:.1f} dB of least squares"
    yield BEYOND, f"0.004 leaves {by_noise(5, 0.004):.0%} of the images".replace("%", " %")
    yield BEYOND, f"an epsilon of {round(epsilon(0.008), -2):,.0f}"
    steps = batches("ablation_from_paper").groupby("attack")["psnr"].mean()
    letter, refitted = steps["spear_paper"], steps["spear_paper_refitted"]
    yield PAPER, f"{letter:.1f} dB instead of {refitted:.1f} on the same 10 batches at b = 10"
    shown = batches("vit_images")
    shown = shown[(shown["network.head"] == "mean") & (shown["batch_size"] == 24)]
    (least,) = shown.loc[shown["batch"] == 0, "psnr_min"]
    yield "README.md", f"{math.floor(least)} dB and more each"
    yield from about_many_tokens()
    five, twenty = by_epochs(5, 300), by_epochs(20, 300)
    text = f"300 leave {five:.0%} of the images at b = 5 and {twenty:.0%} at b = 20"
    yield BEYOND, text.replace("%", " %")


def about_many_tokens() -> Iterator[tuple[str, str]]:
    """Of hundreds of hidden states at once."""
    found = batches("text_states_minilm_long")
    assert (found["positions_exact"] == 1.0).all()
    counts, width = found["details.states"].astype(int), 384
    yield TEXT, f"{counts.min()} to {counts.max()} tokens ({counts.max() / width:.2f} d"
    yield TEXT, f"errors of at most {found['state_error'].max():.0e}".replace("e-0", "e-")
    for _, starts in found.groupby("network.training")["details.starts"]:
        yield TEXT, f"after {starts.min():.0f} to {starts.max():.0f} starts"
    read = found[~found["network.training"].astype(bool)]
    proven = read.loc[read["exact"] & (read["status"] == "exact"), "details.certified"].sum()
    yield TEXT, f"all {proven:.0f} paragraphs are read and certified"


def test_sentences_have_the_numbers_of_the_records():
    missing = [sentence for name, sentence in sentences() if sentence not in page(name)]
    assert not missing


def test_the_papers_cells_of_much_noise_are_above_the_bound():
    assert "the paper's ten rows at sigma = 5e-5 and 1e-4 are above that bound" in page(PAPER)
    loud = [each for each in noisy(on_the_mean=True) if float(each.keys["sigma"]) >= 5e-5]
    assert len(loud) == 10
    assert all(each.paper > bound(each) for each in loud)


def test_with_noise_on_each_example_ours_is_above_the_papers():
    assert "ours is above the paper's in every cell" in page(PAPER)
    assert len(noisy()) == 20
    assert all(each.value(each.ours) > each.paper for each in noisy())


def test_noise_that_stops_the_attack():
    assert "none at b = 20, one of 0.008 none at any b" in page(BEYOND)
    assert by_noise(20, 0.004) < STOPPED
    assert max(by_noise(b, 0.008) for b in (5, 10, 20)) == 0


def test_privacy_takes_a_multiplier_of_1():
    assert "an epsilon below 5 takes a multiplier of 1" in page(BEYOND)
    assert epsilon(1.0) < 5 < epsilon(0.9)


def test_100_local_epochs_do_not_help():
    assert "100 local epochs do not help" in page(BEYOND)
    assert min(by_epochs(b, 100) for b in (5, 10, 20)) == 1
