"""A configuration is read once, and nothing behind the specification knows OmegaConf."""

import ast
import copy
import dataclasses
import functools
from pathlib import Path

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import Container, OmegaConf
from support.specs import SEARCH, spec_of

import spear
from spear.errors import ConfigError
from spear.experiments.config.build import UnknownKey
from spear.experiments.config.schema import CONF
from spear.experiments.config.spec import JobSpec

ROOT = Path(spear.__file__).parent
READS = ("experiments/config", "experiments/cli")
"""Where a configuration is read."""
PLUGINS = ("experiments/sweep/monitor.py",)
"""What Hydra calls itself: a callback."""


def libraries(path: Path) -> set[str]:
    """The packages that a module imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_configurations_are_known_only_where_they_are_read():
    paths = [path for room in ROOT.iterdir() if room.is_dir() for path in room.rglob("*.py")]
    knowing = {
        path.relative_to(ROOT).as_posix()
        for path in [*paths, *ROOT.glob("*.py")]
        if libraries(path) & {"hydra", "omegaconf"}
    }
    assert "experiments/config/spec.py" in knowing
    outside = {each for each in knowing if not each.startswith(READS)}
    assert outside == {*PLUGINS}


def test_a_specification_is_frozen_and_plain():
    spec = spec_of("dataset=digits", "attack=geiping")
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.seed = 1
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        assert isinstance(value, functools.partial) or not holds_a_container(value), field.name
    assert type(spec.attack().regularisers) is dict


def holds_a_container(value: object) -> bool:
    if isinstance(value, dict):
        return any(holds_a_container(each) for each in value.values())
    if isinstance(value, list):
        return any(map(holds_a_container, value))
    return isinstance(value, Container)


def test_reading_leaves_the_configuration_as_it_is():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", ["dataset=digits"])
    before = OmegaConf.to_container(config)
    spec = JobSpec.of(config, {"dataset": "digits"})
    assert OmegaConf.to_container(config) == before
    assert config.device == "auto"
    assert spec.device == spec.config["device"] == ("cuda" if torch.cuda.is_available() else "cpu")
    assert spec.experiment == "main"
    assert yaml.safe_load(spec.config_yaml) == spec.config


def test_each_call_makes_another_object_of_the_chosen_class():
    spec = spec_of("dataset=digits", "network.width=30", "defense=dpsgd", "defense.max_norm=2")
    assert spec.defense() is not spec.defense()
    assert spec.defense().max_norm == 2
    network = spec.network(input_shape=(1, 8, 8), n_classes=10)
    assert [p.shape for p in network.parameters()][:2] == [(30, 64), (30,)]


def test_places_of_a_machine_are_recorded_but_are_not_relevant(tmp_path):
    spec = spec_of("dataset=mnist", f"data_root={tmp_path}", "tracking=off")
    assert spec.config["dataset"]["root"] == str(tmp_path)
    assert spec.relevant["dataset"]["root"] == "data"
    assert not {"data_root", "output_root", "tracking", "force"} & spec.relevant.keys()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["batch_size=0"], "key 'batch_size' is 0; expected at least 1."),
        (["n_batches=-1"], "key 'n_batches' is -1; expected at least 1."),
        (["threads=0"], "key 'threads' is 0; expected at least 1, or null."),
        (["+dataset.colour=true"], "key 'dataset.colour' does not exist; the keys"),
        (["network.width=wide"], "key 'network.width' is 'wide'; expected int"),
        (["attack._target_=os.system"], "key 'attack._target_' is 'os.system'"),
        (["+network.input_shape=[1]"], "key 'network.input_shape' does not exist"),
        (
            [SEARCH.replace("at_most", "least")],
            "key 'objective.least' does not exist; the keys of objective are at_most, measure",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_made(overrides, message):
    with pytest.raises(ConfigError) as caught:
        spec_of("dataset=digits", *overrides)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("choice", "override", "message"),
    [
        (
            "related/gifd_out_of_distribution",
            "dataset=digits",
            "experiment=gifd_out_of_distribution sets dataset.resolution=32, but dataset=digits "
            "takes only normalize, split; leave dataset to the experiment, or add "
            "'~dataset.resolution' to the command.",
        ),
        (  # its own defaults name the experiment that sets the key
            "related/gifd_out_of_distribution",
            "attack=spear_irls",
            "experiment=gifd_out_of_distribution sets attack.iterations=400 and attack.restarts=1, "
            "but attack=spear_irls takes only",
        ),
        (
            "paper/table9",
            "attack=geiping",
            "experiment=table9 sets attack.max_starts=500, but attack=geiping takes only",
        ),
        (
            "paper/table9",
            "+dataset.colour=1",
            "key 'dataset.colour' does not exist; the keys of dataset",
        ),
    ],
)
def test_a_key_of_the_experiment_that_does_not_fit_the_choice(choice, override, message):
    with pytest.raises(ConfigError) as caught:
        spec_of(f"experiment={choice}", override)
    assert str(caught.value).startswith(message)


def test_what_the_message_suggests_is_accepted():
    spec = spec_of(
        "experiment=related/gifd_out_of_distribution", "dataset=digits", "~dataset.resolution"
    )
    assert len(spec.dataset()) > 0


def test_a_workers_refusal_reaches_the_sweep():
    """By a pickle, which is made as a copy is."""
    error = UnknownKey("a.b", "a", ["c"])
    assert str(copy.copy(error)) == str(error)


def test_every_target_is_allowed_once_for_all(monkeypatch):
    calls = []
    monkeypatch.setattr("spear.experiments.config.spec.check_targets", calls.append)
    spec = spec_of("dataset=digits", "attack=geiping")
    spec.attack()
    assert len(calls) == 1
