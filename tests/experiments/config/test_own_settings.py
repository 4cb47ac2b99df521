"""Recorded jobs beside the settings of their experiment."""

from typing import Any

import pytest
from support.specs import spec_of

from spear.analysis.records.store import RESULTS, read_jobs
from spear.experiments.config.own_settings import compared


def comparison(experiment: str, file: str, *overrides: str):
    """Of a job of that experiment, composed with overrides as the command would."""
    spec = spec_of(f"experiment={file}/{experiment}", *overrides)
    return compared(experiment, spec.config, dict(spec.choices))


@pytest.mark.parametrize(
    ("experiment", "overrides"),
    [
        ("table8", []),
        ("table8", ["seed=5", "first_batch=7", "threads=2", "tracking=off", "risk=lavp"]),
        ("table8", ["data_root=/elsewhere", "dataset.root=/there", "attack.time_limit=5"]),
        ("table9", ["defense.max_norm=1.25", "defense.noise_std=5e-6"]),
        ("table5", ["attack=geiping_low_tv"]),
        ("table5", ["attack=spear_prior"]),
        ("table4", ["attack.layer=5"]),
        ("table1", ["dataset.folder=mine"]),
        ("table1", ["attack=ci_net", "attack.iterations=30000"]),  # a command of its header
    ],
)
@pytest.mark.few(3)
def test_an_experiments_own_jobs(experiment, overrides):
    assert comparison(experiment, "paper", *overrides).differences == ()


@pytest.mark.parametrize(
    ("experiment", "overrides", "said"),
    [
        ("table8", ["batch_size=2"], "batch_size=2 instead of 20"),
        ("table8", ["dataset=digits"], "dataset=digits instead of tiny_imagenet"),
        ("table8", ["dataset.normalize=false"], "dataset.normalize=false instead of true"),
        ("table8", ["network.width=400"], "network.width=400 instead of 200"),
        ("table8", ["network=lenet"], "network=lenet instead of fcnn"),
        ("table8", ["network.seed=9"], "network.seed=9 instead of 0"),  # that follows the seed
        ("table8", ["drawing=uniform"], "drawing=uniform instead of single_class"),
        ("table8", ["lpips_net=vgg"], "lpips_net=vgg instead of alex"),
        ("table8", ["defense=dpsgd"], "defense=dpsgd instead of none"),
        (
            "table9",
            ["defense.max_norm=3", "defense.noise_std=0"],
            "defense.max_norm=3 instead of 1, 1.25, 1.5, 1.75 or 2",
        ),
        ("table4", ["attack.layer=1", "attack.rank=3"], "attack.rank=3 instead of null"),
        (
            "table5",
            ["attack=geiping"],
            "attack=geiping instead of geiping_low_tv, spear_prior or spear_irls",
        ),
        ("table1", ["attack=ci_net"], "attack=ci_net instead of spear_irls or geiping_1000"),
        (
            "table8",
            ["dataset=digits", "batch_size=2", "network.width=9"],
            "batch_size=2 instead of 20, dataset=digits instead of tiny_imagenet, "
            "network.width=9 instead of 200",
        ),
    ],
)
@pytest.mark.few(4)
def test_other_settings_are_named(experiment, overrides, said):
    found = comparison(experiment, "paper", *overrides)
    assert sorted(str(found).split(", ")) == sorted(said.split(", "))


def test_a_key_that_only_the_record_has_counts():
    job = changed("table8", {"colour": 3})
    assert str(compared("table8", *job)) == "attack.colour=3"


def test_a_key_that_the_record_lacks_does_not_count():
    config, summary = changed("table8", {})
    del config["network"], config["batch_size"]
    assert compared("table8", config, summary).differences == ()


def test_many_differences_are_cut_short():
    job = changed("table8", {f"colour{k}": k for k in range(7)})
    assert str(compared("table8", *job)).endswith("attack.colour4=4 and 2 more")


def test_the_number_of_batches_is_the_experiments():
    assert comparison("table8", "paper", "n_batches=1").n_batches == 100


@pytest.mark.parametrize("name", ["main", "mine"])
def test_of_an_experiment_without_a_file_nothing_is_known(name):
    assert compared(name, {"batch_size": 3}, {}).differences == ()


@pytest.mark.parametrize(
    "name", ["table3", "table4_trained", "table5", "table9_sampling", "table9_noise_on_sum"]
)
def test_committed_jobs_are_the_experiments_own(name, monkeypatch):
    """They were recorded by earlier versions, with older keys and names, on another machine."""
    monkeypatch.setenv("SPEAR_DATA", "/data/of/this/machine")
    for job in read_jobs(RESULTS / name).values():
        assert compared(name, job["config"], job["summary"]).differences == ()


def changed(experiment: str, attack: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Configuration and summary of a job with further keys of the attack."""
    spec = spec_of(f"experiment=paper/{experiment}")
    config = spec.config | {"attack": spec.config["attack"] | attack}
    return config, dict(spec.choices)
