"""Figures and tables show what jobs recorded, and say so where that is missing."""

import csv
import json
import re
import shutil
import warnings
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import spear.analysis.figures
import spear.analysis.statistics.ablation
import spear.analysis.tables
from spear.analysis.figures import (
    enough_clients,
    phase_transition,
    phase_transition_pairs,
    scaling,
)
from spear.analysis.overview import commands, figures, tables
from spear.analysis.paper.comparison import papers
from spear.analysis.records.frames import load_batches
from spear.analysis.records.store import JOBS, RESULTS
from spear.analysis.render import rendering
from spear.analysis.render.links import relinked
from spear.analysis.render.packages import modules
from spear.analysis.render.rendering import load, origin, results_of
from spear.analysis.statistics import measures
from spear.analysis.statistics.extrapolation import ratios, times
from spear.analysis.tables import side_by_side
from spear.errors import ConfigError

FIGURES, TABLES = modules(spear.analysis.figures), modules(spear.analysis.tables)


def job(
    root: Path, experiment: str, b: int, attack: str, seconds: list[float], **more: Any
) -> None:
    """A complete job's folder with a batch for each of `seconds`; all are exact unless told."""
    m, normalize = more.get("m", 200), more.get("normalize", True)
    settings, steps = more.get("settings", "full"), more.get("steps", 0)
    activation = more.get("activation", "relu")
    depth, split, swaps = more.get("depth", 6), more.get("split", "test"), more.get("swaps", True)
    name = f"{b},{attack},{m},{normalize},{settings},{steps},{depth},{split},{swaps},{activation}"
    folder = root / experiment / name
    folder.mkdir(parents=True)
    details = {} if "submatrices" in more else {"starts": 50.0, "svd_ratio": 0.5}
    rows = [
        {
            "batch": k,
            "exact": more.get("exact", True),
            "psnr": 150.0,
            "sparsity_matching": more.get("sparsity_matching", 1.0),
            "gradient_median": 1e-4,
            "sparsity_min": more.get("sparsity_min", 0.4),
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
        "network": {"width": m, "steps": steps, "depth": depth, "activation": activation},
        "dataset": {"normalize": normalize, "split": split},
        "attack": {"swaps": swaps, "p_false_reject": 1e-5, "max_submatrices": 3e6},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    summary = {
        "experiment": experiment,
        "dataset": "cifar10",
        "gradient_median": 1e-4,
        "attack": attack,
        "attack/settings": settings,
        "device": more.get("device", "cpu"),
        "hardware": {"cpu": "A processor", "gpu": "A graphics card", "threads": 1},
        "git_sha": "0123456789",
    }
    (folder / "summary.json").write_text(json.dumps(summary))


def jobs_of_figure6(root: Path) -> None:
    for b, normalize, swaps in np.ndindex(2, 2, 2):
        stage = {"normalize": bool(normalize), "swaps": bool(swaps), "exact": bool(swaps)}
        name = "figure6" if normalize else "figure6_pixels"
        job(root, name, 4 + 4 * b, "spear", [1.0, 2.0], submatrices=5, **stage)
    for swaps in (True, False):  # the first of them is in Figure 4's records, too
        stage = {"swaps": swaps, "exact": swaps}
        job(root, "figure6_b18_to_b24", 20, "spear", [1.0] * 2, submatrices=5, **stage)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of every experiment below, small."""
    root = tmp_path_factory.mktemp("results")
    for b in (4, 8):
        job(root, "scaling", b, "spear_irls", [0.1 * b, 0.2 * b], m=10 * b)
        job(root, "scaling_peeling", b, "spear_peeling", [0.05 * b], m=10 * b)
        job(root, "scaling_sampling", b, "spear", [1e-4 * b**2], m=10 * b, submatrices=10**5)
    for b, finished in ((10, True), (20, False)):
        job(root, "side_by_side", b, "spear_irls", [0.1, 0.2, 0.3])
        job(root, "side_by_side", b, "spear", [20.0, 30.0, 40.0], submatrices=1000 * b)
        sampled = {"submatrices": 10 * b, "exact": finished}
        job(root, "side_by_side", b, "spear_svd", [60.0] * 3, **sampled)
    for settings in spear.analysis.statistics.ablation.SETTINGS:
        job(root, "ablation", 50, "spear_irls", [1.0, 2.0], m=400, settings=settings)
        pixels = {"normalize": False, "settings": settings, "exact": settings == "full"}
        job(root, "ablation_pixels", 24, "spear_irls", [20.0], **pixels)
    for b, m, normalize in np.ndindex(2, 2, 2):
        sizes = {"m": [50, 100][m], "normalize": bool(normalize), "exact": b < 1}
        job(root, "phase_transition", [8, 64][b], "spear_irls", [1.0], **sizes)
    for b, activation, depth in product((8, 48, 64), ("relu", "gelu"), (2, 6)):
        pair = {"m": 100, "activation": activation, "depth": depth, "exact": b < 64}
        job(root, "phase_transition_pairs", b, "spear_network", [1.0], **pair)
    for m in (200, 2000):
        for experiment, b, n in (("figure4", 8, 4), ("figure4_b18_to_b24", 20, 2)):
            job(root, experiment, b, "spear", [1.0] * n, m=m, submatrices=b * 40000 // m)
    for attack, submatrices in (("spear", {"submatrices": 10**7}), ("spear_irls", {})):
        tail = "_sampling" if submatrices else ""
        for m, depth in ((200, 3), (400, 10)):
            job(root, f"figure5_width{tail}", 20, attack, [1.0, 2.0], m=m, **submatrices)
            job(root, f"figure5_depth{tail}", 20, attack, [1.0], depth=depth, **submatrices)
        for split, steps in (("train", 0), ("train", 300), ("test", 0), ("test", 300)):
            state = {"split": split, "steps": steps, "sparsity_min": 0.3, "exact": steps == 0}
            job(root, f"figure7{tail}", 10, attack, [1.0] * 3, **state, **submatrices)
    jobs_of_figure6(root)
    for experiment in TABLES["exact_recovery"].EXPERIMENTS:
        job(root, experiment, 20, "spear_irls", [0.1, 0.3])
    job(root, "exact_recovery", 24, "spear_irls", [0.1, 0.3], sparsity_matching=0.9)
    return root


def test_a_batch_is_a_row_with_its_jobs_configuration_and_choices(results):
    table = load_batches(results / "ablation_pixels")
    assert len(table) == len(spear.analysis.statistics.ablation.SETTINGS)
    row = table[table["attack/settings"] == "no_deflation"].iloc[0]
    assert (row["network.width"], row["dataset.normalize"]) == (200, False)
    assert (row["seconds"], row["details.starts"], row["exact"]) == (20.0, 50.0, False)


DRAWN = ["ablation", "scaling", "side_by_side", "figure4", "figure6"]


@pytest.mark.parametrize("name", DRAWN)
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


@pytest.mark.slow
@pytest.mark.parametrize(("package", "main"), [(FIGURES, figures), (TABLES, tables)])
def test_whatever_has_committed_results_can_be_rendered(package, main, tmp_path):
    for name, module in package.items():
        if all((RESULTS / each).exists() for each in module.EXPERIMENTS):
            assert main.write(
                module,
                load(module.EXPERIMENTS, RESULTS),
                tmp_path / name,
            )


def test_times_of_an_unfinished_sampler_are_extrapolated(results):
    table = times(load(("side_by_side",), results)).set_index(["batch_size", "attack"])
    assert table.loc[(10, "spear_svd"), "median"] == 60.0
    assert not table.loc[(10, "spear_svd"), "extrapolated"]
    # 60 s for 200 submatrices; information sets needed 20,000, 40 / 21 times as many
    assert table.loc[(20, "spear_svd"), "median"] == pytest.approx(6000.0 * 21 / 40)
    assert table.loc[(20, "spear_svd"), "extrapolated"]
    assert ratios(table.reset_index()).loc[20, "spear_svd"] == pytest.approx(30000.0 * 21 / 40)
    shown = side_by_side.table(load(("side_by_side",), results))
    assert shown["Algorithm 1, one SVD each"].tolist() == [
        "60 s (300 x, 3/3)",
        "52 min (16,000 x, extrapolated)",
    ]


def test_seconds_a_submatrix_are_those_of_the_largest_batches(results):
    sampling = load(("scaling_sampling",), results)
    assert scaling.seconds_per_submatrix(sampling) == pytest.approx(1e-9 * 8**2)


def test_the_narrow_layer_is_compared_with_the_wide_one(results):
    found = load(FIGURES["figure4"].EXPERIMENTS, results)
    assert FIGURES["figure4"].ratios(found).to_dict() == {8: 10.0, 20: 10.0}
    axes = FIGURES["figure4"].draw(found).axes[0]
    assert axes.get_title().startswith(
        "submatrices at m = 200 / at m = 2000: 10.0 at b = 8, 10.0 at b = 20"
    )
    assert [text.get_text() for text in axes.texts] == [
        "n = 4 batches per point, 2 at m = 200, b = 20, 2 at m = 2000, b = 20"
    ]
    (paper,) = [line for line in axes.lines if line.get_marker() == "*"]
    law = next(line for line in axes.lines if line.get_linestyle() == "--")
    ours = dict(zip(*law.get_data(), strict=True))
    for b, stated in zip(*paper.get_data(), strict=True):
        assert ours[b] == pytest.approx(stated, rel=0.02)


def test_the_origin_names_what_computed(results, tmp_path):
    job(tmp_path, "on_gpu", 20, "spear_irls", [1.0], device="cuda")
    assert "A processor, 1 thread" in origin(load_batches(results / "scaling"))
    assert "A graphics card, 1 thread" in origin(load_batches(tmp_path))


def test_each_panel_of_figure_5_has_its_own_sweep(results):
    figure = FIGURES["figure5"].draw(load(FIGURES["figure5"].EXPERIMENTS, results))
    drawn = [axes.lines[0].get_xdata().tolist() for axes in figure.axes]
    assert drawn == [[200, 400], [3, 10], [200, 400], [3, 6, 10]]
    assert [axes.get_yscale() for axes in figure.axes] == ["linear", "linear", "log", "log"]


def test_figure_6_tells_the_stages_apart(results):
    figure = FIGURES["figure6"].draw(load(FIGURES["figure6"].EXPERIMENTS, results))
    accuracy, submatrices = figure.axes
    shares = {bars.get_label(): bars.lines[0].get_ydata().tolist() for bars in accuracy.containers}
    for inputs in ("normalised inputs", "pixels in [0, 1]"):
        with_it = shares[f"{inputs}, with"]
        assert with_it[:2] == [1, 1]
        assert shares[f"{inputs}, without"][:2] == [0, 0]
    assert submatrices.get_yscale() == "log"


def test_training_is_drawn_for_both_splits_with_the_threshold(results):
    figure = FIGURES["figure7"].draw(load(FIGURES["figure7"].EXPERIMENTS, results))
    train, test = (figure.axes[k::2] for k in (0, 1))
    for accuracy, submatrices, sparsity in (train, test):
        assert [bars.lines[0].get_ydata().tolist() for bars in accuracy.containers] == [[1, 0]] * 2
        assert submatrices.get_yscale() == "log"
        assert sparsity.get_xlabel()
        assert sparsity.lines[0].get_ydata().tolist() == [0.3, 0.3]
        assert sparsity.lines[1].get_ydata()[0] == 70 / 200  # the binomial's quantile at 1e-5


def test_shares_have_exact_intervals(results):
    table = measures.exact_interval(load(("phase_transition",), results), "batch_size")
    assert table["share"].tolist() == [1.0, 0.0]
    # Clopper and Pearson: 4 of 4 is excluded at 2.5 % by p^4 = 0.025
    assert table["low"].tolist() == pytest.approx([0.025**0.25, 0.0])
    assert table["high"].tolist() == pytest.approx([1.0, 1 - 0.025**0.25])


def test_the_map_marks_what_no_attack_can_do(results):
    figure = phase_transition.draw(load(("phase_transition",), results))
    axes = figure.axes[0]
    assert len(axes.patches) == 1  # b = 64, m = 50
    assert sorted(text.get_text() for text in axes.texts) == ["0/1", "1/1", "1/1"]


def test_the_maps_of_pairs_have_the_limits_of_their_counts(results):
    """At m = 100 they are 50 before a wide layer; before 10 classes 91 for ReLU, 46 for GELU."""
    figure = phase_transition_pairs.draw(load(phase_transition_pairs.EXPERIMENTS, results))
    maps = {axes.get_title(): axes for axes in figure.axes if axes.images}
    assert len(maps) == 5
    drawn = {title: axes.lines[0].get_ydata()[0] for title, axes in maps.items() if axes.lines}
    assert drawn == {
        "ReLU before a wide layer": 1.5,
        "GELU before a wide layer": 1.5,
        "ReLU before 10 classes": pytest.approx(np.nan, nan_ok=True),
        "GELU before 10 classes": 0.5,
    }
    assert [text.get_text() for text in maps["ReLU before a wide layer"].texts] == [
        *("1/1", "1/1", "0/1")
    ]


def test_both_searches_are_in_the_table_of_scaling(results):
    table = TABLES["scaling"].table(load(TABLES["scaling"].EXPERIMENTS, results))
    assert table["peeling (ours): seconds"].tolist() == ["0.2 s", "0.4 s"]
    assert table["descent (ours): seconds"].tolist() == ["0.6 s", "1.2 s"]


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
        commands.tables(arguments)
    assert stop.value.code == 1
    assert "spear experiment=ablation_pixels" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "to").iterdir()} == {
        "side_by_side.md",
        "appendix_b2.md",
    }


def test_an_unknown_figure_is_named():
    with pytest.raises(ConfigError, match="figure 'colours' does not exist; expected one of abl"):
        commands.figures(["colours"])


def test_results_below_the_working_directory_come_before_those_of_the_package(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    packaged = load(("scaling",))
    shutil.copytree(RESULTS / "scaling", "results/scaling")
    jobs = Path("results", "scaling", JOBS)
    jobs.write_text(jobs.read_text().replace('"cpu": "', '"cpu": "own '))
    assert load(("scaling",))["hardware.cpu"].str.startswith("own ").all()
    pd.testing.assert_frame_equal(load(("scaling",), RESULTS), packaged)
    assert len(load(("side_by_side",))) == len(load(("side_by_side",), RESULTS))


def test_files_are_written_below_the_working_directory(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for main, name in ((commands.tables, "figures10_13"), (commands.figures, "figure3")):
        with pytest.raises(SystemExit) as stop:
            main([name])
        assert stop.value.code == 0
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert written == {
        "results/rendered/tables/figures10_13.md",
        "results/rendered/figures/figure3.png",
        "results/rendered/figures/figure3.pdf",
    }
    table = tmp_path / "results" / "rendered" / "tables" / "figures10_13.md"
    pictures = re.findall(r"\]\((.*?)\)", table.read_text())
    assert len(pictures) == 4
    assert all((table.parent / picture).is_file() for picture in pictures)


def test_links_move_with_their_text(tmp_path):
    before, after = tmp_path / "a" / "b", tmp_path / "c d"
    text = f"[1](x%20y.png) [2](../z.md) [3]({tmp_path}/c%20d/e) [4](https://e.org/x) [5](#here)"
    assert relinked(text, before, after) == (
        "[1](../a/b/x%20y.png) [2](../a/z.md) [3](e) [4](https://e.org/x) [5](#here)"
    )


def test_what_is_not_as_the_records_give_it_is_named(results, tmp_path, capsys):
    to = ["side_by_side", "--results", str(results), "--to", str(tmp_path)]

    def checked() -> tuple[int, str]:
        with pytest.raises(SystemExit) as stop:
            commands.tables([*to, "--check"])
        return stop.value.code, capsys.readouterr().err

    assert checked() == (
        1,
        f"{tmp_path / 'side_by_side.md'} is missing; run `spear tables side_by_side`.\n",
    )
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SystemExit):
        commands.tables(to)
    capsys.readouterr()
    assert checked() == (0, f"{tmp_path / 'side_by_side.md'} is up to date\n")
    (tmp_path / "side_by_side.md").write_text("other numbers")
    code, said = checked()
    assert code == 1
    assert "is not what the records give now; run `spear tables side_by_side`" in said


def test_only_committed_records_have_to_be_collected(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"run `spear experiment=table8`[.]$"):
        load(("table8",), tmp_path)
    monkeypatch.setattr(rendering, "experiment_folder", lambda name, root: tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"then `spear collect outputs/table8`[.]$"):
        load(("table8",))


def test_what_has_no_records_is_named_and_differs_only_if_it_was_rendered(tmp_path, capsys):
    arguments = ["rivals_wide", "--results", str(tmp_path), "--to", str(tmp_path), "--check"]
    for code, named in ((0, "rivals_wide"), (1, "rivals_wide.png")):
        with pytest.raises(SystemExit) as stop:
            commands.figures(arguments)
        assert stop.value.code == code
        assert f"{named} has no records: there are no results of " in capsys.readouterr().err
        (tmp_path / "rivals_wide.png").touch()


def test_table_9_is_three_maps_with_the_papers_values():
    figure = FIGURES["table9"].draw(results_of(FIGURES["table9"]))
    maps = {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
    paper = papers("table9").query("method == 'spear'")
    for title, column, form in (
        ("PSNR, the paper", "psnr", "{:.1f}"),
        ("all directions, the paper", "accuracy", "{:.0f}%"),
    ):
        given = sorted(form.format(each) for each in paper[column])
        assert sorted(text.get_text() for text in maps[title].texts) == given
    assert [each.get_text() for each in maps["PSNR, the paper"].get_yticklabels()] == [
        "0", "5e-6", "1e-5", "5e-5", "1e-4",
    ]  # fmt: skip
    ours, bound = (
        [float(text.get_text()) for text in maps[title].texts]
        for title in ("PSNR, descent (ours)", "PSNR, bound")
    )
    assert all(a < b for a, b in zip(ours, bound, strict=True))


@pytest.mark.parametrize(("name", "key", "row"), [("table10", "E", 5), ("table11", "eta", 3)])
def test_curves_over_local_training_have_the_papers_points(name, key, row):
    figure = FIGURES[name].draw(results_of(FIGURES[name]))
    left, right = figure.axes
    paper = papers(name).iloc[:row].sort_values(key)
    for axes, column, unit in ((left, "psnr", 1), (right, "accuracy", 100)):
        (stars,) = [line for line in axes.lines if line.get_marker() == "*"]
        assert stars.get_xdata().tolist() == paper[key].tolist()
        assert stars.get_ydata() == pytest.approx((paper[column] / unit).tolist())
    assert "n = 100 batches" in " ".join(text.get_text() for text in right.texts)


def test_the_second_stage_is_said_to_change_nothing_if_it_does(results):
    given = load(FIGURES["figure6"].EXPERIMENTS, results)
    narrow = given[given["experiment"].str.startswith("figure6")]
    assert FIGURES["figure6"].same(narrow).endswith("in 10 of 10 batches")
    changed = narrow.assign(submatrices=narrow["submatrices"].where(narrow["attack.swaps"], 7))
    assert FIGURES["figure6"].same(changed).endswith("in 0 of 10 batches")


def test_a_column_can_be_added_to_what_is_loaded():
    """Tables of records of different ages lie in many blocks, of which pandas warns."""
    results = load(enough_clients.EXPERIMENTS, RESULTS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.PerformanceWarning)
        assert "inputs" in results.assign(inputs=1)
