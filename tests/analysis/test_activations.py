"""Tables over activation and batch size."""

import pandas as pd

from spear.analysis.statistics.activations import by_batch_size
from spear.analysis.tables.activations import table


def results() -> pd.DataFrame:
    rows = [
        (depth, activation, b, activation == "gelu", 100.0 + b)
        for depth in (2, 6)
        for activation in ("gelu", "tanh")
        for b in (4, 8)
        for _ in range(3)
    ]
    names = ["network.depth", "network.activation", "batch_size", "exact", "psnr"]
    return pd.DataFrame(rows, columns=names)


def test_each_combination_is_a_row_and_each_batch_size_a_column():
    found = by_batch_size(results(), {"network.activation": "activation", "network.depth": "L"})
    assert list(found.columns) == ["activation", "L", "b = 4", "b = 8"]
    assert len(found) == 4
    row = found[(found["activation"] == "gelu") & (found["L"] == "6")].iloc[0]
    assert row["b = 4"] == "3/3, 104.0"


def test_a_batch_size_that_was_not_run_is_empty():
    some = results()
    some = some[(some["network.activation"] == "gelu") | (some["batch_size"] == 4)]
    found = by_batch_size(some, {"network.activation": "activation", "network.depth": "L"})
    assert (found[found["activation"] == "tanh"]["b = 8"] == "").all()


def test_a_wide_next_layer_comes_before_the_classifier():
    found = table(results())
    assert found["next layer"].tolist() == ["wide next layer"] * 2 + ["classifier"] * 2
    assert found["activation"].tolist() == ["gelu", "tanh"] * 2
