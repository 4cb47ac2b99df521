"""Numbers in the sentences of README and docs follow from the committed records."""

import re
from collections.abc import Iterator
from functools import cache

import pandas as pd
import pytest

from spear.analysis.paper.comparison import Cell, cells
from spear.analysis.records.store import RESULTS
from spear.analysis.render.rendering import load, results_of
from spear.analysis.statistics.privacy import epsilon
from spear.analysis.tables import table9
from spear.experiments.config.schema import CONF

pytestmark = pytest.mark.slow

ROOT = CONF.parent
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
def noisy() -> tuple[Cell, ...]:
    """PSNR of Table 9's cells of SPEAR with noise."""
    results = table9.prepared(results_of(table9, RESULTS))
    found = cells("table9", results, table9.KEYS, table9.COMPARED)
    return tuple(
        each
        for each in found
        if each.column == "psnr" and each.of_spear and float(each.keys["sigma"]) > 0
    )


def bound(cell: Cell) -> float:
    return float(cell.ours["psnr_bound"].mean())


def noisy_cell(c: str, sigma: str) -> Cell:
    (found,) = (each for each in noisy() if (each.keys["C"], each.keys["sigma"]) == (c, sigma))
    return found


def per_example(c: float, sigma: float) -> float:
    """Our PSNR with noise sigma C on each example's gradient."""
    found = batches("table9_noise_per_example")
    chosen = (found["defense.max_norm"] == c) & (found["defense.noise_multiplier"] == sigma)
    return float(found.loc[chosen, "psnr"].mean())


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
    yield "README.md", f"sigma = 1e-4 is {ratio:.2f} of the gradient's median magnitude"
    corner = noisy_cell("2", "0.0001")
    yield (
        "README.md",
        f"({corner.paper:.1f} dB at C = 2, sigma = 1e-4, where the bound is {bound(corner):.1f})",
    )
    ours, paper = per_example(1.0, 1e-4), noisy_cell("1", "0.0001").paper
    yield "README.md", f"({ours:.1f} dB against {paper:.1f} at C = 1, sigma = 1e-4)"
    yield "README.md", f"0.004 leaves {by_noise(5, 0.004):.0%} of the images".replace("%", " %")
    yield "README.md", f"an epsilon of {round(epsilon(0.008), -2):,.0f}"
    five, twenty = by_epochs(5, 300), by_epochs(20, 300)
    text = f"300 leave {five:.0%} of the images at b = 5 and {twenty:.0%} at b = 20"
    yield "README.md", text.replace("%", " %")


def test_sentences_have_the_numbers_of_the_records():
    missing = [sentence for name, sentence in sentences() if sentence not in page(name)]
    assert not missing


def test_our_noisy_cells_are_within_3_db_of_least_squares():
    assert "within 3 dB of least squares" in page("README.md")
    assert max(bound(each) - each.ours["psnr"].mean() for each in noisy()) < 3


def test_the_papers_cells_of_much_noise_are_above_the_bound():
    assert "The paper's ten rows at sigma = 5e-5 and 1e-4 are above that bound" in page("README.md")
    loud = [each for each in noisy() if float(each.keys["sigma"]) >= 5e-5]
    assert len(loud) == 10
    assert all(each.paper > bound(each) for each in loud)


def test_with_noise_on_each_example_ours_is_above_the_papers():
    assert "ours is above the paper's in every cell" in page("README.md")
    assert all(
        per_example(float(each.keys["C"]), float(each.keys["sigma"])) > each.paper
        for each in noisy()
    )


def test_noise_that_stops_the_attack():
    assert "none at b = 20, one of 0.008 none at any b" in page("README.md")
    assert by_noise(20, 0.004) < STOPPED
    assert max(by_noise(b, 0.008) for b in (5, 10, 20)) == 0


def test_privacy_takes_a_multiplier_of_1():
    assert "an epsilon below 5 takes a multiplier of 1" in page("README.md")
    assert epsilon(1.0) < 5 < epsilon(0.9)


def test_100_local_epochs_do_not_help():
    assert "100 local epochs do not help" in page("README.md")
    assert min(by_epochs(b, 100) for b in (5, 10, 20)) == 1
