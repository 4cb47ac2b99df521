"""Names of earlier versions: each is accepted and leads to what it led to."""

import logging
from pathlib import Path

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf
from support.command import Command

from spear.errors import ConfigError
from spear.experiments.config.moved import (
    accept_old_groups,
    accept_old_targets,
    hint,
    new_target,
    renamed,
)
from spear.experiments.config.schema import CONF
from spear.experiments.config.targets import check_targets

OLD = Path(__file__).with_name("old_targets.txt").read_text().split()
"""Every `_target_` that a file of `conf/` had before the rooms were built."""

ROOMS = ("spear.baselines.", "spear.client.", "spear.data.", "spear.inversion.", "spear.networks.")
"""Beginnings of public names."""


@pytest.fixture
def spear(tmp_path, monkeypatch, capfd):
    return Command(tmp_path / "outputs", monkeypatch, capfd)


def targets(node, found):
    for key, value in node.items() if isinstance(node, dict) else ():
        if key == "_target_":
            found.add(value)
        targets(value, found)
    return found


PRESENT = sorted(
    {
        target
        for path in CONF.rglob("*.yaml")
        for target in targets(OmegaConf.to_container(OmegaConf.load(path)), set())
    }
)


@pytest.mark.parametrize("old", OLD)
def test_an_old_name_leads_to_what_it_led_to(old):
    """The object of the same name, which is the one that `conf/` names today."""
    name = old.rpartition(".")[2].replace("NoForecast", "NoRiskForecast")
    today = [each for each in PRESENT if each.rpartition(".")[2] == name]
    assert [get_object(each) for each in today] == [get_object(new_target(old))]


@pytest.mark.parametrize("name", PRESENT)
def test_a_present_name_is_no_old_one(name):
    assert new_target(name) == name


@pytest.mark.parametrize("name", [each for each in PRESENT if each.startswith(ROOMS)])
def test_conf_names_what_a_room_hands_out(name):
    room, _, handed = name.removesuffix(".trained").rpartition(".")
    assert handed in get_object(room).__all__


def test_old_targets_are_replaced_however_deep_and_named_once(caplog):
    config = OmegaConf.create(
        {
            "attack": {
                "_target_": "spear.gradient_matching.attack.GradientMatching",
                "inner": [{"_target_": "spear.gradient_matching.optimisers.Sign"}],
                "same": {"_target_": "spear.data.MNIST"},
                "nothing": None,
                "missing": "???",
            },
            "again": "${attack.inner}",
        }
    )
    with caplog.at_level(logging.WARNING):
        accept_old_targets(config)
    assert config.attack._target_ == "spear.baselines.gradient_matching.GradientMatching"
    assert config.again[0]._target_ == "spear.baselines.gradient_matching.Sign"
    assert config.attack.same._target_ == "spear.data.MNIST"
    assert [each.split()[0] for each in caplog.messages] == [
        "attack._target_",
        "attack.inner.0._target_",
    ]
    accept_old_targets(config)
    assert len(caplog.messages) == 2


def test_an_old_name_is_no_way_out_of_the_allowed_packages():
    config = OmegaConf.create({"a": {"_target_": "spear.datasets.base.Path"}})
    accept_old_targets(config)
    with pytest.raises(ConfigError, match=r"'a\._target_' is 'spear\.data\.base\.Path'"):
        check_targets(config)


@pytest.mark.parametrize(
    ("argument", "accepted"),
    [
        ("forecast=lavp", "risk=lavp"),
        ("forecast.tolerance=1e-3", "risk.tolerance=1e-3"),
        ("+forecast.more=1", "+risk.more=1"),
        ("~forecast", "~risk"),
        ("forecasts=lavp", "forecasts=lavp"),
        ("attack.forecast=1", "attack.forecast=1"),
        ("dataset=forecast", "dataset=forecast"),
        ("-m", "-m"),
    ],
)
def test_an_old_group_is_accepted_on_the_command_line(argument, accepted, caplog):
    assert accept_old_groups([argument]) == [accepted]
    assert len(caplog.messages) == (argument != accepted)


def test_a_job_runs_by_old_names(spear, caplog):
    job = ("dataset=digits", "batch_size=2", "n_batches=1", "device=cpu")
    outcome = spear(*job, "forecast=lavp", "dataset._target_=spear.datasets.Digits")
    assert outcome.code == 0
    said = caplog.text + outcome.out + outcome.error
    assert "group 'forecast' is now 'risk'; the next version will refuse it." in said
    assert "dataset._target_ 'spear.datasets.Digits' is now 'spear.data.Digits'; the next" in said


@pytest.mark.parametrize("typed", ["dataset._target_={}", "dataset={{_target_:{}}}"])
def test_old_and_new_names_are_one_job(spear, typed):
    job = ("dataset=digits", "batch_size=2", "n_batches=1", "device=cpu")
    assert spear(*job, typed.format("spear.datasets.Digits")).code == 0
    again = spear(*job, typed.format("spear.data.Digits"))
    assert "complete already" in again.out + again.error
    folders = [path.parent for path in spear.output_root.rglob("summary.json")]
    assert len(folders) == 1
    assert "spear.data.Digits" in folders[0].name
    assert "spear.datasets" not in (folders[0] / "config.yaml").read_text()


def test_overrides_get_new_names_wherever_a_class_is_named():
    old, new = "spear.datasets.MNIST", "spear.data.MNIST"
    for form in ("a._target_={},seed=1", "a={{_target_:{},x:1}}", "+b.c._target_={}"):
        assert renamed(form.format(old)) == renamed(form.format(new)) == form.format(new)
    for other in ("dataset.folder=spear.datasets", "my_target_=spear.datasets.MNIST", ""):
        assert renamed(other) == other


def test_every_hint_has_one_form():
    assert hint("group", "a", "b") == "group 'a' is now 'b'; the next version will refuse it."
    assert hint("x", "a", "b", ", too") == "x 'a' is now 'b', too."


def test_an_old_group_in_a_file_of_the_users_own_is_named(spear, tmp_path):
    mine = tmp_path / "experiment"
    mine.mkdir()
    (mine / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /forecast: lavp\n"
    )
    outcome = spear(f"--config-dir={tmp_path}", "experiment=mine")
    assert outcome.message.endswith("'forecast' is now 'risk'; rename it where it is set.")
