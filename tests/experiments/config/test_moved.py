"""Names of earlier versions: each is accepted and leads to what it led to."""

import logging
from pathlib import Path

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf
from support.command import Command

from spear.errors import ConfigError
from spear.experiments.config.moved import accept_old_groups, accept_old_targets, new_target
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
    assert [each.split(":")[0] for each in caplog.messages] == [
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
    assert "'forecast' is now 'risk'" in said
    assert "dataset._target_: 'spear.datasets.Digits' is now 'spear.data.Digits'" in said


def test_an_old_group_in_a_file_of_the_users_own_is_named(spear, tmp_path):
    mine = tmp_path / "experiment"
    mine.mkdir()
    (mine / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /forecast: lavp\n"
    )
    outcome = spear(f"--config-dir={tmp_path}", "experiment=mine")
    assert outcome.message.endswith("'forecast' is now 'risk'; rename it where it is set.")
