"""Different examples behind the committed records."""

import json

import pandas as pd
import pytest

from spear.analysis.records.examples import behind, classes, counted
from spear.analysis.records.store import RESULTS

KNOWN = sorted(set(counted()["experiment"]) & {each.name for each in RESULTS.iterdir()})


def batches(experiment: str) -> pd.DataFrame:
    """Return what `behind` needs of the records of an experiment."""
    rows = counted()[counted()["experiment"] == experiment]
    return rows[["experiment", "dataset", "data_hash"]]


def test_every_recorded_experiment_is_counted():
    recorded = {each.parent.name for each in RESULTS.glob("*/jobs.json")}
    assert recorded <= set(counted()["experiment"]), (
        "run `python -m benchmarks.examples_behind_records`"
    )


@pytest.mark.parametrize("experiment", KNOWN)
def test_every_recorded_job_is_counted(experiment):
    text = (RESULTS / experiment / "jobs.json").read_text(encoding="utf-8")
    hashes = set(counted()["data_hash"])
    assert hashes_in(json.loads(text)) <= hashes


def hashes_in(node: object) -> set[str]:
    """Return every data hash of a nested structure."""
    if isinstance(node, dict):
        own = {node["data_hash"]} if isinstance(node.get("data_hash"), str) else set()
        return own.union(*map(hashes_in, node.values()))
    if isinstance(node, list):
        return set().union(*map(hashes_in, node))
    return set()


def test_no_more_examples_are_different_than_there_are_or_were_drawn():
    table = counted()
    assert (table["distinct"] <= table["examples"]).all()
    one_label = ~table["experiment"].str.contains("label_recovery|lavp")  # MixUp draws two each
    drawn = table["batch_size"] * table["batches"]
    assert (table["distinct"] <= drawn)[one_label].all()
    assert (table["classes"] <= table["distinct"]).all()


def test_words_name_the_least_and_the_most():
    assert behind(batches("table8")) == (
        "Different examples behind a cell: tiny_imagenet 1,600 of 4,000"
    )
    assert "cifar10 394 to 1,476 of 10,000" in behind(batches("figure4"))


PAGE = (RESULTS.parent / "docs" / "data.md").read_text()

OF_PAGE = {
    ("3", "CIFAR-10, MNIST"): ("table3", ("cifar10", "mnist")),
    ("3, 4, 9, 10, 11", "Tiny ImageNet"): (
        "table3 table4 table9 table10 table11", ("tiny_imagenet",)
    ),
    ("8", "Tiny ImageNet, one class a batch"): ("table8", ("tiny_imagenet",)),
    ("3", "ImageNet, 224 pixels"): ("table3_imagenet_224", ("imagenet",)),
    ("3", "ImageNet, 720 pixels"): ("table3_imagenet_720", ("imagenet",)),
    ("1", "ImageNet, 256 pixels"): ("table1", ("imagenet",)),
}  # fmt: skip
"""Tables and data set of a row of docs/data.md -> experiments, and names of the data sets."""


@pytest.mark.parametrize("row", OF_PAGE, ids=" ".join)
def test_the_page_on_the_data_has_the_numbers_counted(row):
    experiments, names = OF_PAGE[row]
    table = counted()
    for experiment in experiments.split():
        own = table[(table["experiment"] == experiment) & table["dataset"].isin(names)]
        kinds = own[["batches", "distinct", "examples", "classes"]].drop_duplicates()
        assert {*own["dataset"]} == {*names}
        for batches_of, distinct, examples, classes_of in kinds.itertuples(index=False):
            many = f"{distinct:,}"
            of = f"{examples:,}"
            if experiment == "table8":
                many, of = f"{many}, {classes_of} classes", f"{of}, 200 classes"
            assert f"| {' | '.join(row)} | {batches_of} | {many} | {of} |" in PAGE


def test_other_data_are_not_counted_as_the_recorded_ones():
    other = batches("table8").assign(data_hash="another")
    assert behind(other) == ""
    assert classes(other) is None


def test_table_8_has_fewer_classes_than_batches():
    assert classes(batches("table8")) == 80
