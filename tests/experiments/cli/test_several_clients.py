"""Jobs of several clients: from the command to the record."""

import json
from pathlib import Path

import pytest
from support.choices import at
from support.command import Command, numbers, read_rows
from support.specs import spec_of

from spear.experiments.cli.forecasts import Planned
from spear.experiments.cli.plan import plan

SMALL = ("dataset=digits", "network.width=100", "network.depth=3", "n_batches=2")


@pytest.fixture
def spear(tmp_path, monkeypatch, capfd):
    return Command(tmp_path, monkeypatch, capfd)


def recorded(spear: Command, *overrides: str) -> tuple[list[dict[str, str]], dict[str, object]]:
    outcome = spear(*SMALL, *overrides)
    assert outcome.code == 0, outcome.error
    written = max(
        Path(spear.output_root).rglob("summary.json"), key=lambda each: each.stat().st_mtime
    )
    return read_rows(written.parent), json.loads(written.read_text())


def test_the_images_of_all_clients_are_recovered_from_the_mean(spear):
    rows, summary = recorded(spear, "aggregation=mean", "aggregation.clients=3", "batch_size=2")
    for row in rows:
        assert (row["status"], row["exact"], row["recovered"]) == ("exact", "True", "1.0")
        assert (row["clients_present"], row["clients_whole"]) == ("3.0", "3.0")
        details = json.loads(row["details"])
        assert [details[f"recovered_of_client_{i}"] for i in range(3)] == [2.0] * 3
    assert (summary["aggregation"], summary["batch_size"]) == ("mean", 2)
    assert summary["clients_whole_mean"] == 3


def test_whoever_takes_part_is_in_the_record(spear):
    few = ("aggregation.clients=8", "aggregation.participation=0.25", "batch_size=2")
    rows, _ = recorded(spear, "aggregation=mean", *few)
    present = [
        {key for key in json.loads(row["details"]) if key.startswith("recovered_of_client_")}
        for row in rows
    ]
    assert [len(each) for each in present] == [2, 2]
    assert {row["exact"] for row in rows} == {"True"}


def test_rounding_makes_it_approximate_and_coarse_rounding_hides_the_batch(spear):
    common = ("aggregation=secure_sum", "aggregation.clients=2", "batch_size=2")
    fine, _ = recorded(spear, *common)
    assert {row["status"] for row in fine} == {"approximate"}
    assert all(float(row["psnr"]) > 40 for row in fine)
    coarse, _ = recorded(spear, *common, "aggregation.levels=200", "attack.time_limit=2")
    assert all(float(row["psnr"]) < 20 for row in coarse)
    assert not any(row["status"] == "exact" for row in coarse)


@pytest.mark.parametrize("defense", ["dpsgd", "clipping"])
def test_clients_train_and_defend_each_by_itself(spear, defense):
    local = ("fedavg=fedavg", "fedavg.epochs=2", f"defense={defense}")
    rows, _ = recorded(spear, "aggregation=mean", "aggregation.clients=2", "batch_size=2", *local)
    assert all(row["status"] != "exact" and row["status"] != "failed" for row in rows)


def test_a_job_resumes_and_repeats_with_the_same_rounds(spear):
    keys = ("aggregation=mean", "aggregation.participation=0.5", "batch_size=2")
    first, _ = recorded(spear, *keys)
    again, _ = recorded(spear, *keys, "--force")
    assert numbers(first) == numbers(again)


@pytest.mark.parametrize(
    ("attack", "key"), [("dlg", "attack.labels.batch_size"), ("dager", "attack.sequences")]
)
def test_attacks_that_are_told_the_batch_size_are_told_that_of_the_round(attack, key):
    several = ("aggregation=mean", "aggregation.clients=4", "aggregation.participation=0.5")
    assert at(spec_of(f"attack={attack}", "batch_size=3", *several).config, key) == 6
    assert at(spec_of(f"attack={attack}", "batch_size=3").config, key) == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("aggregation.clients=0", "aggregation.clients is 0; expected at least 1."),
        ("aggregation.participation=2", "aggregation.participation is 2; expected the share of"),
        ("aggregation.clients=a", "key 'aggregation.clients' is 'a'; expected int."),
        ("aggregation.client=2", "key 'aggregation.client' does not exist; did you mean"),
        (
            "aggregation.clients=1000",
            "aggregation.clients is 1000, who share the 797 examples of data set 'digits', so that",
        ),
    ],
)
def test_bad_settings_are_one_sentence(spear, override, message):
    plus = "+" if ".client=" in override else ""
    outcome = spear(*SMALL, "aggregation=mean", "batch_size=2", f"{plus}{override}")
    assert outcome.code == 1
    assert message in outcome.message


def joint(*overrides: str) -> Planned:
    (job,) = plan(["aggregation=mean", "aggregation.clients=4", "batch_size=5", *overrides])
    return job


@pytest.mark.parametrize("attack", ["spear_irls", "spear_pair"])
def test_plans_count_the_inputs_of_all_clients(attack):
    assert joint(f"attack={attack}").search.b == 20
    assert joint(f"attack={attack}", "aggregation.participation=0.5").search.b == 10


def test_plans_know_that_rounding_is_noise():
    assert joint("aggregation=secure_sum").search.noisy
    assert "of rounded updates" in joint("aggregation=secure_sum", "attack=spear_pair").obstacle
