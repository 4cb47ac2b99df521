"""Measured tables of docs/theory/layer-pairs.md have the numbers of the committed records."""

import re
from functools import cache

import pandas as pd
import pytest

from spear.analysis.records.store import RESULTS
from spear.analysis.render.rendering import load
from spear.experiments.config.schema import CONF

pytestmark = pytest.mark.slow

PAGE = (CONF.parent / "docs" / "theory" / "layer-pairs.md").read_text()
NAMES = {"GELU": "gelu", "SiLU": "silu", "tanh": "tanh"}


def rows(first_cells: str) -> list[list[str]]:
    """Cells of each row of the table whose header begins with these cells."""
    _, found, after = PAGE.partition(f"\n{first_cells}")
    assert found, first_cells
    lines = after.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@cache
def batches(experiment: str) -> pd.DataFrame:
    return load((experiment,), RESULTS)


def of(found: pd.DataFrame, **values: object) -> pd.DataFrame:
    for name, value in values.items():
        column = name.replace("__", ".")
        found = found[found[column] == value]
    return found


MEASURED = rows("| `spear` ... |")


def test_the_table_of_what_is_measured_is_there():
    assert len(MEASURED) == 10


@pytest.mark.parametrize("row", MEASURED, ids=lambda row: row[0])
def test_ten_batches_of_each_activation(row):
    """A pair of ReLUs is inverted by peeling, or by regressions before few classes."""
    options, _, b, exact, psnr = row
    setting = dict(re.findall(r"([\w.]+)=(\w+)", options))
    found = of(
        batches("activations"),
        network__activation=setting.get("network.activation", "relu"),
        network__depth=int(setting.get("network.depth", 6)),
        batch_size=int(b),
    )
    first = found[found["batch"] < 10]
    assert len(first) == 10
    assert exact == f"{(first['status'] == 'exact').sum()}/10"
    assert psnr == f"{first['psnr'].mean():.1f} ± {first['psnr'].std():.1f}"


STEPS = rows("| activation | b | T | η |")


def test_the_table_of_local_steps_is_there():
    assert len(STEPS) == 15


@pytest.mark.parametrize("row", STEPS, ids=lambda row: " ".join(row[:4]))
def test_local_steps(row):
    activation, b, epochs, rate, *cells = row
    found = of(
        batches("activations_fedavg"),
        network__activation=NAMES[activation],
        batch_size=int(b),
        fedavg__epochs=int(epochs),
        fedavg__learning_rate=float(rate),
    )
    attacks = ("spear_pair", "spear_pair_fedavg")
    assert cells == [outcome(of(found, attack=each)) for each in attacks]


def outcome(found: pd.DataFrame) -> str:
    """Batches with all directions right, and the mean PSNR; or that all are refused."""
    assert len(found) == 3
    if (found["failure"].fillna("") != "").all():
        return "refused"
    return f"{found['exact'].sum()}/3, {found['psnr'].mean():.1f}"
