"""Figures and tables show what jobs recorded, and say so where that is missing."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import analysis.ablation
import analysis.figures
import analysis.publish
import analysis.tables
from analysis import measures
from analysis.figures import __main__ as figures
from analysis.figures import phase_transition, scaling
from analysis.rendering import load, modules, render
from analysis.side_by_side import ratios, times
from analysis.summaries import load_batches
from analysis.tables import __main__ as tables
from analysis.tables import side_by_side

FIGURES, TABLES = modules(analysis.figures), modules(analysis.tables)


def job(
    root: Path, experiment: str, b: int, attack: str, seconds: list[float], **more: Any
) -> None:
    """A complete job's folder with a batch for each of `seconds`; all are exact unless told."""
    m, normalize = more.get("m", 200), more.get("normalize", True)
    settings, steps = more.get("settings", "full"), more.get("steps", 0)
    folder = root / experiment / f"{b},{attack},{m},{normalize},{settings},{steps}"
    folder.mkdir(parents=True)
    details = {} if "submatrices" in more else {"starts": 50.0, "svd_ratio": 0.5}
    rows = [
        {
            "batch": k,
            "exact": more.get("exact", True),
            "psnr": 150.0,
            "sparsity_matching": more.get("sparsity_matching", 1.0),
            "gradient_median": 1e-4,
            "submatrices": more.get("submatrices", 0),
            "seconds": each,
            "failure": "",
            "details": json.dumps(details),
        }
        for k, each in enumerate(seconds)
    ]
    with (folder / "batches.csv").open("w") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    config = {
        "batch_size": b,
        "network": {"width": m, "steps": steps},
        "dataset": {"normalize": normalize},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    summary = {
        "experiment": experiment,
        "dataset": "cifar10",
        "gradient_median": 1e-4,
        "attack": attack,
        "attack/settings": settings,
        "hardware": {"cpu": "A processor", "threads": 1},
        "git_sha": "0123456789",
    }
    (folder / "summary.json").write_text(json.dumps(summary))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of every experiment below, small."""
    root = tmp_path_factory.mktemp("results")
    for b in (4, 8):
        job(root, "scaling", b, "spear_irls", [0.1 * b, 0.2 * b], m=10 * b)
        job(root, "scaling_sampling", b, "spear", [1e-4 * b**2], m=10 * b, submatrices=10**5)
    for b, finished in ((10, True), (20, False)):
        job(root, "side_by_side", b, "spear_irls", [0.1, 0.2, 0.3])
        job(root, "side_by_side", b, "spear", [20.0, 30.0, 40.0], submatrices=1000 * b)
        sampled = {"submatrices": 10 * b, "exact": finished}
        job(root, "side_by_side", b, "spear_svd", [60.0] * 3, **sampled)
    for settings in analysis.ablation.SETTINGS:
        job(root, "ablation", 50, "spear_irls", [1.0, 2.0], m=400, settings=settings)
        pixels = {"normalize": False, "settings": settings, "exact": settings == "full"}
        job(root, "ablation_pixels", 24, "spear_irls", [20.0], **pixels)
    for b, m, normalize in np.ndindex(2, 2, 2):
        sizes = {"m": [50, 100][m], "normalize": bool(normalize), "exact": b < 1}
        job(root, "phase_transition", [8, 64][b], "spear_irls", [1.0], **sizes)
    for experiment in TABLES["exact_recovery"].EXPERIMENTS:
        job(root, experiment, 20, "spear_irls", [0.1, 0.3])
    job(root, "exact_recovery", 24, "spear_irls", [0.1, 0.3], sparsity_matching=0.9)
    return root


def test_a_batch_is_a_row_with_its_jobs_configuration_and_choices(results):
    table = load_batches(results / "ablation_pixels")
    assert len(table) == len(analysis.ablation.SETTINGS)
    row = table[table["attack/settings"] == "no_deflation"].iloc[0]
    assert (row["network.width"], row["dataset.normalize"]) == (200, False)
    assert (row["seconds"], row["details.starts"], row["exact"]) == (20.0, 50.0, False)


@pytest.mark.parametrize("name", ["ablation", "scaling", "side_by_side"])
def test_figures_are_drawn_from_results_alone(results, name):
    figure = FIGURES[name].draw(load(FIGURES[name].EXPERIMENTS, results))
    for axes in figure.axes:
        assert axes.get_xlabel()


def test_a_figure_is_rendered_to_the_same_bytes_again(results, tmp_path):
    found = load(("phase_transition",), results)
    first = figures.write(phase_transition, found, tmp_path / "first")
    again = figures.write(phase_transition, found, tmp_path / "again")
    assert [path.suffix for path in first] == [".png", ".pdf"]
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_batch_that_is_not_proven_does_not_count_as_exact(results):
    table = TABLES["exact_recovery"].table(load(("exact_recovery",), results)).set_index("b")
    assert table.loc["20", "exact"] == "2/2"
    assert table.loc["24", "exact"] == "0/2"
    assert table.loc["20", "x SVD"] == "0.5"
    assert table.loc["20", "seconds"].startswith("0.2 s")


@pytest.mark.parametrize("name", ["ablation", "exact_recovery", "scaling", "side_by_side"])
def test_tables_are_markdown_with_their_origin(results, name, tmp_path):
    (path,) = tables.write(TABLES[name], load(TABLES[name].EXPERIMENTS, results), tmp_path / name)
    text = path.read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    assert text.endswith("Measured on A processor, 1 thread, commit 0123456.\n")


@pytest.mark.parametrize(("package", "main"), [(FIGURES, figures), (TABLES, tables)])
def test_whatever_has_committed_results_can_be_rendered(package, main, tmp_path):
    for name, module in package.items():
        if all((analysis.publish.RESULTS / each).exists() for each in module.EXPERIMENTS):
            assert main.write(
                module, load(module.EXPERIMENTS, analysis.publish.RESULTS), tmp_path / name
            )


def test_times_of_an_unfinished_sampler_are_extrapolated(results):
    table = times(load(("side_by_side",), results)).set_index(["batch_size", "attack"])
    assert table.loc[(10, "spear_svd"), "median"] == 60.0
    assert not table.loc[(10, "spear_svd"), "extrapolated"]
    # 60 s for 200 submatrices; information sets needed 20,000
    assert table.loc[(20, "spear_svd"), "median"] == pytest.approx(6000.0)
    assert table.loc[(20, "spear_svd"), "extrapolated"]
    assert ratios(table.reset_index()).loc[20, "spear_svd"] == pytest.approx(30000.0)
    shown = side_by_side.table(load(("side_by_side",), results))
    assert shown["one SVD each"].tolist() == [
        "60 s (300 x, 3/3)",
        "100 min (30,000 x, extrapolated)",
    ]


def test_seconds_a_submatrix_are_those_of_the_largest_batches(results):
    sampling = load(("scaling_sampling",), results)
    assert scaling.seconds_per_submatrix(sampling) == pytest.approx(1e-9 * 8**2)


def test_the_map_marks_what_no_attack_can_do(results):
    figure = phase_transition.draw(load(("phase_transition",), results))
    axes = figure.axes[0]
    assert len(axes.patches) == 1  # b = 64, m = 50
    assert sorted(text.get_text() for text in axes.texts) == ["0%", "100%", "100%"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0523, "0.052 s"), (100, "100 s"), (7300.0, "2 h"), (1e7, "120 days")],
)
def test_durations_have_two_digits(seconds, text):
    assert measures.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(24, "24"), (61056, "61,056"), (4.14e7, "4.1e7"), (2e29, "2.0e29")]
)
def test_counts_are_short(number, text):
    assert measures.count(number) == text


def test_spreads_are_percentiles(results):
    table = measures.spread(load(("scaling",), results), "batch_size", "seconds")
    assert table["median"].tolist() == pytest.approx([0.6, 1.2])
    assert table["low"].tolist() == pytest.approx([0.44, 0.88])


def test_what_can_be_is_rendered_and_what_is_missing_is_named(results, tmp_path, capsys):
    (tmp_path / "ablation").symlink_to(results / "ablation")
    (tmp_path / "side_by_side").symlink_to(results / "side_by_side")
    arguments = ["--results", str(tmp_path), "--to", str(tmp_path / "to")]
    with pytest.raises(SystemExit) as stop:
        render(analysis.tables, tables.write, arguments)
    assert stop.value.code == 1
    assert "spear experiment=ablation_pixels" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "to").iterdir()} == {
        "side_by_side.md",
        "appendix_b2.md",
    }


def test_an_unknown_figure_is_named(capsys):
    with pytest.raises(SystemExit) as stop:
        render(analysis.figures, figures.write, ["colours"])
    assert stop.value.code == 1
    assert "'colours'" in capsys.readouterr().err
