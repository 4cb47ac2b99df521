"""Records: atomic files, honest means."""

import csv
import hashlib
import json
import math
from dataclasses import replace
from io import StringIO
from types import MappingProxyType

import pytest
import torch
from rich.console import Console
from support.scored import found

from spear.analysis.records.store import RESULTS
from spear.errors import ConfigError
from spear.experiments.config.schema import LONGEST_NAME, experiment_name, run_name
from spear.experiments.job.traces import row_hash
from spear.experiments.record.files import write_json
from spear.experiments.record.own_metrics import own_metrics
from spear.experiments.record.records import (
    ORDER,
    BatchRecord,
    columns_of,
    from_csv,
    shortfall,
    to_csv,
)
from spear.experiments.record.summary import (
    BatchesFailed,
    check_failures,
    not_recovered,
    summarize,
)
from spear.experiments.record.tensors import lack_tensors, tensors_file
from spear.experiments.tracking.console import results_table
from spear.scoring import Metric


def record(batch: int, **changes) -> BatchRecord:
    right = BatchRecord(
        batch=batch, status="exact", sparsity_matching=1.0, directions=4, findable=4,
        submatrices=100, seconds=1.0, gradient_median=1e-4, sparsity_min=0.4,
        scores={
            "exact": True, "recovered": 1.0, "psnr": 150.0, "psnr_min": 140.0,
            "psnr_bound": 152.0, "at_bound": 1.0, "ssim": 1.0, "lpips": math.nan, "mse": 0.0,
            "mae": 0.0, "discrete_accuracy": math.nan, "continuous_mae": math.nan,
            "tabular_accuracy": math.nan, "label_accuracy": math.nan, "labels_exact": math.nan,
            "label_l1": math.nan, "label_l2": math.nan, "directions_right": 4,
            "directions_near": 4, "feature_similarity": 1.0,
        },
    )  # fmt: skip
    scores = {name: changes.pop(name, value) for name, value in right.scores.items()}
    return replace(right, scores=scores, **changes)


def test_failures_enter_every_mean():
    failed = record(1, exact=False, psnr=10.0, feature_similarity=0.5, failure="why", seconds=3.0)
    records = [record(0), failed]
    summary = summarize(records)
    assert summary["accuracy"] == 0.5
    assert summary["n_exact"] == 1
    assert summary["psnr_mean"] == 80.0
    assert summary["psnr_std"] == pytest.approx(140 / math.sqrt(2))
    assert summary["feature_similarity_mean"] == 0.75
    assert summary["failures"] == 1
    assert summary["seconds_median"] == 2.0
    assert summary["seconds_total"] == 4.0
    assert math.isnan(summary["lpips_mean"])


def test_medians_ignore_how_far_the_largest_is_and_means_do_not():
    values = {"seconds": [1.0, 2.0, 9.0], "submatrices": [10, 20, 90], "gradient_median": [1, 2, 9]}
    matching = [1.0, 0.5, 1.0]
    details = ['{"starts": 1, "rounds": 4}', '{"starts": 2}', '{"starts": 9}']
    cells = [dict(zip(values, each, strict=True)) for each in zip(*values.values(), strict=True)]
    rows = [
        record(k, sparsity_matching=matching[k], details=details[k], **cells[k]) for k in range(3)
    ]
    summary = summarize(rows)
    assert summarize([record(k, psnr=psnr) for k, psnr in enumerate((1.0, 2.0, 9.0))])[
        "psnr_mean"
    ] == pytest.approx(4.0)
    assert (summary["seconds_median"], summary["seconds_total"]) == (2.0, 12.0)
    assert (summary["submatrices_median"], summary["gradient_median"]) == (20.0, 2.0)
    assert summary["lambda_mean"] == pytest.approx(2.5 / 3)
    assert summary["details_median"] == {"starts": 2.0, "rounds": 4.0}


@pytest.mark.parametrize(
    "name", ["psnr", "psnr_bound", "at_bound", "ssim", "lpips", "mse", "mae", "label_l1"]
)
def test_a_batch_without_a_value_leaves_the_mean_without_one(name):
    numbers = [record(k, **{name: value}) for k, value in enumerate((1.0, 0.25, 0.0))]
    assert summarize(numbers)[f"{name}_mean"] == pytest.approx(1.25 / 3)
    assert math.isnan(summarize([*numbers, record(3, **{name: math.nan})])[f"{name}_mean"])


def test_batches_in_vain_are_counted_and_those_not_attacked_end_the_job(tmp_path):
    right = [record(0), record(1)]
    assert not_recovered(right) == ""
    check_failures(right, tmp_path)
    vain = [record(0), record(1, failure="too noisy"), record(2, failure="empty"), record(3)]
    assert not_recovered(vain) == "2 of 4 batches not recovered: too noisy"
    assert not_recovered(vain[1:3]) == "0 of 2 batches recovered: too noisy"
    check_failures(vain, tmp_path)
    failed = [*vain, record(4, status="failed", failure="no such layer")]
    with pytest.raises(BatchesFailed, match=r"1 of 5 .* \(batch 4: no such layer\)"):
        check_failures(failed, tmp_path / "batches.csv")


def test_one_batch_has_no_deviation():
    assert summarize([record(0)])["psnr_std"] == 0.0


def test_recovered_pictures_are_counted_one_by_one_and_by_whole_batches():
    summary = summarize([record(0), record(1, recovered=0.75), record(2), record(3)])
    assert summary["accuracy_recovered"] == 0.75
    assert summary["recovered_mean"] == pytest.approx(15 / 16)
    without_pictures = summarize([record(0, recovered=math.nan)])
    assert math.isnan(without_pictures["accuracy_recovered"])
    assert math.isnan(without_pictures["recovered_mean"])


def test_tables_have_means_of_their_own_and_pictures_have_none():
    right = {"discrete_accuracy": 1.0, "continuous_mae": 0.0, "tabular_accuracy": 1.0}
    wrong = {"discrete_accuracy": 0.5, "continuous_mae": 30.0, "tabular_accuracy": 0.25}
    rows = [record(0, psnr=math.nan, **right), record(1, psnr=math.nan, **wrong)]
    summary = summarize(rows)
    assert summary["discrete_accuracy_mean"] == 0.75
    assert summary["continuous_mae_mean"] == 15.0
    assert summary["tabular_accuracy_mean"] == 0.625
    console = Console(width=120, record=True, file=StringIO())
    console.print(results_table("table", rows, summary))
    assert "discrete features 75.0% right" in console.export_text()
    of_pictures = summarize([record(0)])
    assert all(math.isnan(of_pictures[f"{name}_mean"]) for name in right)
    console.print(results_table("pictures", [record(0)], of_pictures))
    assert "discrete" not in console.export_text()


def test_labels_have_means_of_their_own():
    right = {"label_accuracy": 1.0, "labels_exact": 1.0, "label_l1": 0.0, "label_l2": 0.0}
    wrong = {"label_accuracy": 1.0, "labels_exact": 0.0, "label_l1": 0.4, "label_l2": 0.2}
    rows = [record(0, **right), record(1, **wrong)]
    summary = summarize(rows)
    means = {name: summary[f"{name}_mean"] for name in right}
    assert means == {name: (right[name] + wrong[name]) / 2 for name in right}
    console = Console(width=120, record=True, file=StringIO())
    console.print(results_table("labels", rows, summary))
    assert "labels 100.0% of the right class, 50.0% exact, L1 error 0.2" in console.export_text()
    assert math.isnan(summarize([record(0)])["label_l1_mean"])


def test_an_estimate_has_dashes_where_there_is_nothing_to_count():
    estimate = record(0, status="estimated", exact=False, sparsity_matching=math.nan, psnr=20.0)
    summary = summarize([estimate, estimate])
    console = Console(width=120, record=True, file=StringIO())
    console.print(results_table("estimates", [estimate, estimate], summary))
    rows = [line for line in console.export_text().splitlines() if "│" in line]
    assert len(rows) == 3
    for row in rows:
        _, _, decibels, exact, matching, *_ = (cell.strip() for cell in row.split("│"))
        assert decibels.startswith("20.0")
        assert (exact, matching) == ("-", "-")


def test_a_job_without_pictures_has_a_dash_instead_of_a_mean_and_deviation():
    rows = [record(0, psnr=math.nan)]
    console = Console(width=120, record=True, file=StringIO())
    console.print(results_table("inner layer", rows, summarize(rows)))
    assert "± 0" not in console.export_text()


def test_nan_becomes_null_and_no_partial_file_stays(tmp_path):
    write_json(tmp_path / "summary.json", {"lpips_mean": math.nan, "inner": [math.inf, 1.5]})
    written = json.loads((tmp_path / "summary.json").read_text())
    assert written == {"lpips_mean": None, "inner": [None, 1.5]}
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]


def test_rows_are_read_back_to_the_bit():
    awkward = record(
        7, psnr=math.nextafter(0.1, 1), mse=5e-324, mae=math.inf, exact=False, status="a",
        failure='one, "two"\nthree', details='{"starts": 2}',
    )  # fmt: skip
    rows = [record(0, lpips=0.25), awkward]
    columns = columns_of()
    read = from_csv(to_csv(rows, columns), columns)
    # NaN is not equal to itself.
    assert repr([row.cells() for row in read]) == repr([row.cells() for row in rows])
    for name, value in read[1].cells().items():
        assert type(value) is columns[name], name


def test_rows_end_at_the_first_that_is_not_whole():
    columns = columns_of()
    text = to_csv([record(k) for k in range(3)], columns)
    assert [row.batch for row in from_csv(text[:-20], columns)] == [0, 1]
    *before, last = text.splitlines()
    for row in (last + ",1.0", last.rpartition(",")[0]):
        cut = "\r\n".join([*before, row, ""])
        assert [each.batch for each in from_csv(cut, columns)] == [0, 1]
    for other in (text.replace("psnr", "decibels", 1), ""):
        assert from_csv(other, columns) == []


class Brightest(Metric):
    names = ("brightest", "n_white")
    kinds = MappingProxyType({"n_white": int})

    def __call__(self, matched):
        return {"brightest": matched.found.max(), "n_white": int((matched.found == 1).sum())}


def test_own_columns_come_last_and_are_read_back():
    own = (Brightest(),)
    columns = columns_of(own)
    assert list(columns) == [*ORDER, "brightest", "n_white"]
    right = record(0)
    rows = [replace(right, scores={**right.scores, "brightest": 0.5, "n_white": k}) for k in (1, 4)]
    text = to_csv(rows, columns)
    assert text.splitlines()[1].endswith(",,{},0.5,1")
    read = from_csv(text, columns)
    assert repr([row.cells() for row in read]) == repr([row.cells() for row in rows])
    assert from_csv(text, columns_of()) == []
    summary = summarize(rows, own)
    assert summary["n_white_mean"] == 2.5
    assert summary.keys() - summarize(rows).keys() == {"brightest_mean", "n_white_mean"}
    console = Console(width=120, record=True, file=StringIO())
    console.print(results_table("own", rows, summary, own))
    assert "further metrics: brightest_mean 0.5, n_white_mean 2.5" in console.export_text()


def test_what_is_written_of_a_batch_stays_as_it_was():
    """The committed results were written under these columns, in this order, with these digits."""
    lines = (RESULTS / "table1" / "batches.csv").read_text().splitlines()
    assert lines[0] == "job," + ",".join(ORDER)
    for line in lines[1::50]:
        (row,) = csv.reader([line])
        text = "\r\n".join([",".join(ORDER), ",".join(map(_quoted, row[1:])), ""])
        (read,) = from_csv(text, columns_of())
        assert to_csv([read], columns_of()) == text
        assert row_hash(read) == hashlib.sha256(text.encode()).hexdigest()


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set(',"') else cell


def test_a_summary_has_its_keys_in_their_order():
    means = "discrete_accuracy continuous_mae tabular_accuracy label_accuracy labels_exact label_l1"
    assert [*summarize([record(0)])] == [
        "n_batches", "n_exact", "accuracy", "accuracy_recovered", "recovered_mean", "psnr_mean",
        "psnr_std", "psnr_bound_mean", "at_bound_mean", "lpips_mean", "mae_mean", "mse_mean",
        *(f"{name}_mean" for name in means.split()), "label_l2_mean", "ssim_mean",
        "feature_similarity_mean", "lambda_mean", "submatrices_median", "seconds_median",
        "seconds_total", "gradient_median", "failures", "n_empty", "details_median",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (("psnr",), "psnr"),
        (("seed",), "seed"),
        (("lambda",), "lambda_mean"),
        (("job",), "job"),
        (("same",), "same"),
    ],
)
def test_a_metric_that_would_hide_another_number_is_refused(names, taken):
    class Own(Brightest):
        pass

    class Same(Brightest):
        pass

    Own.names, Same.names = names, ("same",)
    with pytest.raises(ConfigError, match=rf"'metrics\.mine' has a number '{taken}'"):
        own_metrics({"other": Same(), "mine": Own()})


def test_only_metrics_are_metrics():
    with pytest.raises(ConfigError, match=r"'metrics\.mine' names str, which is not a metric"):
        own_metrics({"mine": "psnr"})
    assert own_metrics({}) == ()


def test_names_of_run_folders():
    assert run_name("") == "defaults"
    assert run_name("attack/sampler=svd,seed=1") == "attack.sampler=svd,seed=1"
    long = ",".join(f"key{i}=value{i}" for i in range(40))
    assert len(run_name(long)) <= LONGEST_NAME + 9
    assert run_name(long) != run_name(long + "x")
    assert experiment_name(None) == "main"
    assert experiment_name("table_3") == "table_3"
    assert experiment_name("paper/table3") == "table3"
    assert experiment_name("mine/table3") == "mine/table3"


@pytest.mark.parametrize(
    ("size", "reason"), [(3, ""), (4, "some of them are equal"), (2, "the update was changed")]
)
def test_a_rank_that_is_not_the_batch_size_has_its_reason(size, reason):
    reconstruction = found(torch.eye(3), torch.ones(5, 3))
    assert reason in shortfall(size, reconstruction)
    assert bool(shortfall(size, reconstruction)) == (size != 3)


def test_tensors_are_lacking_if_one_batch_has_none(tmp_path):
    assert lack_tensors(tmp_path, [0])
    for batch in (0, 2):
        tensors_file(tmp_path, batch).parent.mkdir(exist_ok=True)
        tensors_file(tmp_path, batch).touch()
    assert not lack_tensors(tmp_path, [0, 2])
    assert lack_tensors(tmp_path, [0, 1, 2])
