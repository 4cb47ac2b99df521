"""What is committed is what the records give: tables, pictures of figures, summaries of jobs."""

import contextlib
import io
import re
import shutil
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

import spear.analysis.figures
import spear.analysis.tables
from spear.analysis.overview import figures, tables
from spear.analysis.paper.comparison import PAPER, papers
from spear.analysis.records.frames import load_batches, load_summaries
from spear.analysis.records.store import JOBS, RENDERED, RESULTS
from spear.analysis.render.packages import modules
from spear.analysis.render.rendering import checked, experiments_of, render, results_of

TABLES, FIGURES = modules(spear.analysis.tables), modules(spear.analysis.figures)
COMMITTED = RESULTS / RENDERED
LOCK = Path(__file__).parents[2] / "requirements.lock"


def committed(folder: str, suffix: str) -> list[str]:
    return sorted(path.stem for path in (COMMITTED / folder).glob(f"*.{suffix}"))


def recorded(modules: dict[str, ModuleType]) -> list[str]:
    """Names of the modules of whose experiments there are records."""
    return sorted(
        name
        for name, module in modules.items()
        if all((RESULTS / each / JOBS).is_file() for each in module.EXPERIMENTS)
    )


def test_every_table_and_figure_with_records_is_committed():
    assert committed("tables", "md") == recorded(TABLES)
    assert committed("figures", "png") == committed("figures", "pdf") == recorded(FIGURES)


@pytest.mark.slow
@pytest.mark.parametrize("name", committed("tables", "md"))
def test_a_table_is_what_its_records_give(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = COMMITTED / "tables" / name
    written: list[str] = []
    monkeypatch.setattr(Path, "write_text", lambda _, text, **__: written.append(text))
    with contextlib.redirect_stdout(io.StringIO()):
        tables.write(TABLES[name], results_of(TABLES[name], RESULTS), path)
    assert written == [path.with_suffix(".md").read_text()], f"run `spear tables {name}`"


@pytest.mark.slow
@pytest.mark.parametrize("name", committed("figures", "png"))
def test_a_figure_is_what_its_records_give(name, tmp_path):
    """Pixel by pixel, under the version of matplotlib that drew what is committed."""
    (locked,) = re.findall(r"^matplotlib==(.*)$", LOCK.read_text(), re.MULTILINE)
    if version("matplotlib") != locked:
        pytest.skip(f"matplotlib is not {locked}, and may draw other pixels")
    figures.write(FIGURES[name], results_of(FIGURES[name], RESULTS), tmp_path / name)
    drawn = matplotlib.image.imread(tmp_path / f"{name}.png")
    kept = matplotlib.image.imread(COMMITTED / "figures" / f"{name}.png")
    assert drawn.shape == kept.shape
    assert np.array_equal(drawn, kept), f"run `spear figures {name}`"


def mean(values: pd.Series) -> float:
    return values.mean(skipna=False)


def deviation(values: pd.Series) -> float:
    return values.std(skipna=False) if len(values) > 1 else 0.0


AGGREGATES = {
    "accuracy": ("exact", mean),
    "accuracy_recovered": ("recovered", lambda shares: mean((shares == 1).where(shares.notna()))),
    "psnr_std": ("psnr", deviation),
    "lambda_mean": ("sparsity_matching", mean),
    **{f"{name}_median": (name, pd.Series.median) for name in ("seconds", "submatrices")},
    "seconds_total": ("seconds", pd.Series.sum),
    **{
        f"{name}_mean": (name, mean)
        for name in (
            "recovered", "psnr", "psnr_bound", "at_bound", "lpips", "mae", "mse", "ssim",
            "discrete_accuracy", "continuous_mae", "tabular_accuracy", "label_accuracy",
            "labels_exact", "label_l1", "label_l2", "feature_similarity",
        )
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("folder", sorted(path.parent.name for path in RESULTS.glob(f"*/{JOBS}")))
def test_a_summary_is_that_of_its_batches(folder):
    assert not contradictions(RESULTS / folder)


def contradictions(folder: Path) -> list[str]:
    """What a summary says of its batches and they do not, by pandas, from the batches alone.

    An infinite or missing number is null.
    """
    batches = load_batches(folder)
    groups = batches.groupby("job")
    summaries = load_summaries(folder).set_index("job").loc[list(groups.groups)]
    held = {
        "a batch twice": not batches.duplicated(["job", "batch"]).any(),
        "n_batches": (summaries["n_batches"] == groups.size()).all(),
        "n_exact": (summaries["n_exact"] == groups["exact"].sum()).all(),
        "git_dirty": not summaries["git_dirty"].any(),
    }
    for key, (column, aggregate) in AGGREGATES.items():
        if key in summaries and column in batches:
            expected = groups[column].agg(aggregate).astype(float)
            said = summaries[key].astype(float)
            held[key] = np.allclose(said, expected.where(np.isfinite), 1e-9, 0.0, equal_nan=True)
    return [name for name, holds in held.items() if not holds]


@pytest.mark.parametrize(
    ("altered", "table"),
    [("table11", "table11"), ("table11_sampling", "table11"), ("gifd", "gifd")],
)
def test_a_record_altered_by_30_db_is_noticed(altered, table, tmp_path):
    """By both tests above; the same records in the same place, unaltered, pass them."""
    shown = [each for each in experiments_of(TABLES[table]) if (RESULTS / each).is_dir()]
    for name in shown:
        shutil.copytree(RESULTS / name, tmp_path / name)
    rendered = tmp_path / RENDERED / "tables"
    rendered.mkdir(parents=True)
    package = spear.analysis.tables
    render(package, tables.write, [table], tmp_path, rendered)

    def stale() -> str:
        return checked(package, tables.write, [table], tmp_path, rendered)[1]

    assert not stale()
    assert not contradictions(tmp_path / altered)
    path = tmp_path / altered / "batches.csv"
    batches = pd.read_csv(path, dtype=str, keep_default_na=False)
    worse = batches["job"] == batches["job"][0]
    batches.loc[worse, "psnr"] = (batches.loc[worse, "psnr"].astype(float) - 30).map(repr)
    batches.to_csv(path, index=False)
    assert f"{table}.md is not what the records give now" in stale()
    assert "psnr_mean" in contradictions(tmp_path / altered)


SUMS = {
    "table1": {"psnr": 197.4, "seconds": 12720, "pixels": 4 * 256},
    "table2": {"discrete_accuracy": 197, "continuous_mae": 4943.1, "seconds": 180},
    "table3": {"psnr": 567.4, "psnr_interval": 60.4, "lpips": 1.8410008e-4,
               "lpips_interval": 7.446e-3, "accuracy": 495, "seconds": 624},
    "table4": {"layer": 15, "mae": 9.90e-6, "accuracy": 482, "seconds": 5946},
    "table4_trained": {"layer": 5, "accuracy": 95, "in_a_minute": 100},
    "table5": {"b": 300, "m": 4800, "accuracy": 160, "psnr": 265.3},
    "table6": {"lpips": 1.312, "feature_similarity": 1.923},
    "table8": {"psnr": 127.7, "ssim": 0.999717, "mse": 4.80e-6, "lpips": 10.36e-5, "accuracy": 98},
    "table9": {"C": 37.5, "sigma": 8.25e-4, "psnr": 1337.3, "accuracy": 2563},
    "table10": {"E": 106, "mini_batch": 105, "psnr": 628.9, "accuracy": 581},
    "table11": {"eta": 0.111, "psnr": 308.7, "accuracy": 295},
}  # fmt: skip
"""Sums of the columns of the paper's tables, added up from its text."""


@pytest.mark.parametrize("table", SUMS)
def test_the_papers_values_are_those_of_its_text(table):
    values = papers(table)
    found = values.select_dtypes("number").sum()
    assert found.to_dict() == pytest.approx(SUMS[table], rel=1e-9)


def test_every_table_of_the_paper_has_its_sums():
    assert {path.stem for path in PAPER.glob("table*.csv")} == SUMS.keys()
