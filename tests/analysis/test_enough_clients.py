"""The figure and the table of several clients: shares over all pictures, with the limit."""

from itertools import product

import pandas as pd
import pytest

from spear.analysis.figures import enough_clients as figure
from spear.analysis.tables import enough_clients as table


@pytest.fixture(scope="module")
def results() -> pd.DataFrame:
    """Two batches a cell: everything is recovered up to k b = m / 2, nothing beyond it."""
    rows = []
    for experiment in figure.EXPERIMENTS:
        smooth = [] if experiment == "enough_clients_fedavg" else ["gelu"]
        for activation, m, b, k in product(["relu", *smooth], (200, 400), (4, 8), (1, 8, 16)):
            within = k * b <= m / 2
            job = {
                "experiment": experiment,
                "job": f"{experiment},{activation},{m},{b},{k}",
                "network.activation": activation,
                "network.width": m,
                "batch_size": b,
                "aggregation.clients": k,
            }
            rows += [job | {"recovered": float(within), "exact": within} for _ in range(2)]
    return pd.DataFrame(rows)


def test_the_figure_has_a_panel_for_each_kind_of_update(results):
    panels = figure.draw(results).axes
    assert [each.get_title() for each in panels] == [*figure.TITLES.values()]
    for axes, activations in zip(panels, (2, 1, 2), strict=True):
        curves = [line for line in axes.lines if line.get_linestyle() != ":"]
        limits = [line for line in axes.lines if line.get_linestyle() == ":"]
        assert len(curves) == 2 * activations
        assert [line.get_xdata()[0] for line in limits] == [100, 200]
        assert "2 batches of each k, b" in axes.get_xlabel()


def test_curves_fall_at_the_limit(results):
    axes = figure.draw(results).axes[0]
    (narrow,) = [line for line in axes.lines if line.get_label() == "ReLU, m = 200"]
    shares = dict(zip(*narrow.get_data(), strict=True))
    assert shares == {4: 1, 8: 1, 32: 1, 64: 1, 128: 0}


def test_the_table_names_the_limit_and_every_count(results):
    shown = table.table(results)
    assert len(shown) == (2 + 1 + 2) * 2 * 2
    row = shown[(shown["m"] == "200") & (shown["b"] == "8")].iloc[0]
    assert (row["updates"], row["activation"], row["up to k"]) == ("gradients", "relu", "12")
    assert (row["k = 8"], row["k = 16"]) == ("100% (2/2)", "0% (0/2)")
