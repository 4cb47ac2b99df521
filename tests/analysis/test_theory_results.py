"""What Sec. 5.2 and App. B predict, drawn and tabulated beside what was measured."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from spear.analysis.figures import figure3, figure7, figure8, scaling
from spear.analysis.render.laws import draw_laws
from spear.analysis.render.rendering import load, origin
from spear.analysis.tables import appendix_b2
from spear.inversion.sampling.lemmas import (
    n_total_expected,
    p_fail_approximation,
    p_fail_bound,
    q_lower_bound,
)


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


def test_figure_3_draws_lemma_5_3_at_its_false_rejections(tmp_path):
    (axes,) = figure3.draw(load(figure3.EXPERIMENTS, tmp_path)).axes
    assert axes.get_yscale() == "log"
    assert "10^{-9}" in axes.get_ylabel()
    labels = [f"b = {b}" for b in (5, 10, 20, 40, 80)]
    pairs = [line for line in axes.lines if len(line.get_xdata())]
    assert [line.get_label() for line in pairs[1::2]] == labels
    for b, bound, close in zip((5, 10, 20, 40, 80), pairs[::2], pairs[1::2], strict=True):
        m = [*range(max(10, b), 401, 2)]
        for line, law in ((bound, p_fail_bound), (close, p_fail_approximation)):
            assert [*line.get_xdata()] == m
            assert [*line.get_ydata()[:20:3]] == [law(b, each, 1e-9) for each in m[:20:3]]


def test_figure_8_draws_lemma_5_3_at_the_paper_s_false_rejections(batches):
    for axes, b in zip(figure8.draw(batches).axes, (4, 10), strict=True):
        bound, close, *_ = axes.lines
        assert [*bound.get_xdata()] == [*close.get_xdata()] == [*range(12, 41)]
        for line, law in ((bound, p_fail_bound), (close, p_fail_approximation)):
            assert [*line.get_ydata()] == [law(b, m, 1e-5) for m in range(12, 41)]
        assert [line.get_linestyle() for line in axes.lines[:2]] == ["--", "-"]
        assert axes.get_ylim() == pytest.approx((-0.03, 1.03))


def test_laws_are_harmonic_numbers_over_q():
    axes = Figure().subplots()
    draw_laws(axes, np.array([2, 5, 16]))
    independent, clustered = axes.lines
    for b, one, many in zip(
        (2, 5, 16), independent.get_ydata(), clustered.get_ydata(), strict=True
    ):
        expected = b * sum(1 / k for k in range(1, b + 1)) / q_lower_bound(b)
        assert one == pytest.approx(expected)
        assert many == pytest.approx(expected * 2 * b / (b + 1))
    assert "Lemma 5.2" in independent.get_label()
    assert "information sets" in clustered.get_label()


def sampled(**columns) -> pd.DataFrame:
    """Three batches of sampling and of the descent at each of three batch sizes."""
    rows = [
        {
            "attack": attack, "batch_size": b, "network.width": 10 * b, "exact": b < 12 or k > 0,
            "seconds": 1e-6 * b * (1 + k) if attack == "spear" else 0.1 * b,
            "submatrices": 1000 * b, "details.starts": 10 * b + k, **columns,
        }
        for attack in ("spear", "spear_irls") for b in (4, 8, 12) for k in range(3)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_scaling_figure_has_seconds_beside_the_law_of_information_sets():
    left, right, *_ = scaling.draw(sampled()).axes
    assert left.get_yscale() == right.get_yscale() == "log"
    assert "seconds" in left.get_ylabel()
    assert "submatrices" in right.get_ylabel()
    (law,) = [line for line in left.lines if line.get_linestyle() == ":"]
    b = [*range(4, 13)]
    assert [*law.get_xdata()] == b
    # the median of (1, 2, 3) * 12e-6 seconds for 12,000 submatrices
    expected = [2e-9 * n_total_expected(each, per_draw=each) for each in b]
    assert [*law.get_ydata()] == pytest.approx(expected)
    drawn = {line.get_label(): [*line.get_ydata()] for line in right.lines}
    assert drawn["descent (ours)"] == [41, 81, 121]
    assert drawn["Algorithm 1, information sets"] == [4000, 8000, 12000]
    hollow = [line for line in right.lines if line.get_markerfacecolor() == "white"]
    assert [x for line in hollow if (x := [*line.get_xdata()])] == [[12], [12]]


def test_figure_7_has_the_law_at_its_batch_size_and_the_limit():
    states = [
        sampled(**{"network.steps": steps, "dataset.split": split, "sparsity_min": 0.3,
                   "attack.p_false_reject": 1e-5, "attack.max_submatrices": 3e6})
        for split in ("train", "test") for steps in (0, 300)
    ]  # fmt: skip
    results = pd.concat(states).query("batch_size == 12")
    for axes in figure7.draw(results).axes:
        levels = {line.get_label().replace("\n", " "): line.get_ydata() for line in axes.lines}
        laws = {name: y for name, y in levels.items() if "expected" in name or name.startswith("N")}
        if laws:
            assert [y[0] for y in laws.values()] == pytest.approx(
                [n_total_expected(12), n_total_expected(12, per_draw=12), 3e6]
            )


def test_failures_fall_with_the_width():
    for law in (p_fail_bound, p_fail_approximation):
        assert all(law(10, m) > law(10, n) for m, n in pairwise(range(60, 100)))
