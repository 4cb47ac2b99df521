"""What Sec. 5.2 and App. B predict, drawn and tabulated beside what was measured."""

import pandas as pd
import pytest

from spear.analysis.figures import figure3, figure8
from spear.analysis.render.rendering import load, origin
from spear.analysis.tables import appendix_b2


@pytest.fixture
def batches() -> pd.DataFrame:
    """Ten batches a cell; at m = 12 no exhaustive search finds eight of them, at m = 40 all do."""
    rows = [
        {"batch_size": b, "network.width": m, "findable": b - (m == 12 and k < 8), "exact": k > 8}
        for b in (4, 10)
        for m in (12, 40)
        for k in range(10)
    ]
    return pd.DataFrame(rows)


def test_failures_have_their_clopper_pearson_interval(batches):
    cell = batches[batches["batch_size"] == 4]
    table = figure8.failures(cell, cell["findable"] < 4).set_index("width")
    assert table.loc[12, "median"] == 0.8
    assert table.loc[12, ["low", "high"]].tolist() == pytest.approx([0.444, 0.975], abs=1e-3)
    # none of n: the upper end is 1 - (alpha / 2)^(1/n)
    assert table.loc[40, ["low", "high"]].tolist() == pytest.approx([0, 1 - 0.025**0.1])


def test_a_panel_for_each_batch_size(batches):
    figure = figure8.draw(batches)
    assert [axes.get_title() for axes in figure.axes] == ["b = 4", "b = 10"]
    assert all(len(axes.lines) == 4 for axes in figure.axes)


def test_theory_alone_needs_no_results(tmp_path):
    nothing = load(figure3.EXPERIMENTS, tmp_path)
    (axes,) = figure3.draw(nothing).axes
    solid, dashed = axes.lines[1], axes.lines[0]
    assert (solid.get_ydata() <= dashed.get_ydata() * (1 + 1e-9)).all()
    assert "not measured" in origin(nothing)


def test_the_papers_numbers_come_out(tmp_path):
    table = appendix_b2.table(load(appendix_b2.EXPERIMENTS, tmp_path)).set_index(["b", "p"])
    assert float(table.loc[("10", "1e-8"), "n^p (Lemma B.2)"].replace(",", "")) == pytest.approx(
        4e4, rel=0.1
    )
    assert table.loc[("16", "1e-8"), "expected (Lemma 5.2)"] == "181,318"
