"""Every configuration file composes, fits its class, and every experiment runs, tiny."""

import os
import re
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import OmegaConf
from support.choices import CHOICES, WITHIN
from support.command import Command
from support.signatures import LEFT_OUT, missing

from spear.baselines.ci_net.attack import CINet
from spear.baselines.gradient_matching.attack import GradientMatching
from spear.baselines.gradient_matching.initialisation import Normal
from spear.baselines.gradient_matching.labels import JointLabels
from spear.baselines.gradient_matching.objectives import SquaredDistance
from spear.baselines.gradient_matching.optimisers import LBFGS
from spear.experiments.cli.start import CONF
from spear.experiments.config.build import build, check
from spear.experiments.config.experiments import FOLDER, experiments
from spear.experiments.config.spec import RUNTIME
from spear.inversion.descent import Settings


@pytest.mark.parametrize(("group", "choice"), CHOICES)
@pytest.mark.few(30)
def test_every_choice_fits_its_class(group, choice):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [*WITHIN.get(group, []), f"{group}={choice}"])
    node = OmegaConf.select(config, group.replace("/", "."))
    check(node, group, RUNTIME.get(group))
    left_out = missing(OmegaConf.to_container(node), RUNTIME.get(group, ()))
    assert left_out <= set(LEFT_OUT)


def test_the_full_settings_are_those_of_the_class():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", ["attack=spear_irls"])
    full = OmegaConf.to_container(config.attack.settings)
    full.pop("_target_")
    assert full == {
        key: list(v) if isinstance(v, tuple) else v for key, v in vars(Settings()).items()
    }


def test_the_papers_baseline_is_the_attack_without_settings():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", ["attack=geiping", "device=cpu"])
    assert pieces(build(config, "attack")) == pieces(GradientMatching())


def test_ci_nets_file_is_the_attack_without_settings():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", ["attack=ci_net", "device=cpu"])
    assert pieces(build(config, "attack")) == pieces(CINet())


def test_dlg_differs_in_its_pieces_alone():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", ["attack=dlg", "device=cpu", "batch_size=3"])
    dlg = GradientMatching(
        SquaredDistance(), {}, Normal(), JointLabels(3), LBFGS(), box=False, iterations=300
    )
    assert pieces(build(config, "attack")) == pieces(dlg)


@pytest.mark.parametrize("defense", sorted(p.stem for p in (CONF / "defense").glob("*.yaml")))
def test_attacks_with_a_generator_repeat_the_defenses_that_can_be(defense):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", ["attack=gifd", f"defense={defense}"])
    check(config.attack, "attack")
    repeated = (CONF / "attack" / "transform" / f"{defense}.yaml").is_file()
    assert ("transform" in config.attack.objective) is repeated


@pytest.mark.parametrize(
    ("attack", "given"),
    [
        ("spear", False), ("spear_irls", False), ("spear_input", False), ("spear_noisy", False),
        ("cocktail_party", False), ("cocktail_party_features", False), ("dlg", False),
        ("geiping", True), ("tableak", True), ("feature_inversion", True), ("spear_prior", True),
    ],
)  # fmt: skip
def test_labels_are_for_those_attacks_that_the_paper_gives_them(attack, given):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [f"attack={attack}", "device=cpu"])
    assert build(config, "attack").given_labels is given


def pieces(value):
    """An object's class and settings, those of the objects in it among them."""
    if isinstance(value, dict):
        return {name: pieces(each) for name, each in value.items()}
    if hasattr(value, "__dict__"):
        return type(value), pieces(vars(value))
    return value


def first_of(override: Override) -> object:
    """The first value of a sweep, or the lower end of what a search is free to choose."""
    values = override.value()
    if isinstance(values, IntervalSweep):
        return values.start
    return next(override.sweep_string_iterator()) if override.is_sweep_override() else values


def chosen_attack(name: str) -> str:
    """The attacks of an experiment, as its file writes them."""
    text = re.sub("#.*", "", (FOLDER / f"{experiments()[name].choice}.yaml").read_text())
    return " ".join(re.findall(r"(?:override /)?attack(?:/\w+)?: *([\w,]+)", text))


def is_of_text(name: str) -> bool:
    """Whether an experiment needs Transformers; tests/text/test_command.py runs these."""
    return (
        "override /dataset: sentences"
        in (FOLDER / f"{experiments()[name].choice}.yaml").read_text()
    )


def first_of_each_attack() -> set[str]:
    """An experiment for each choice of attacks: the others differ in sizes and data."""
    return {*{chosen_attack(name): name for name in reversed([*experiments()])}.values()}


@pytest.mark.parametrize(
    "name",
    [
        name if name in first_of_each_attack() else pytest.param(name, marks=pytest.mark.slow)
        for name in experiments()
        if not is_of_text(name)
    ],
)
@pytest.mark.few(6)
def test_every_experiment_runs_tiny(name, tmp_path, monkeypatch, capfd):
    chosen = f"experiment={experiments()[name].choice}"
    if "/hydra/sweeper: optuna" in (FOLDER / f"{experiments()[name].choice}.yaml").read_text():
        pytest.importorskip(
            "hydra_plugins.hydra_optuna_sweeper", reason="needs spear-suite[search]"
        )
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [chosen], return_hydra_config=True)
    sweep = OmegaConf.to_container(config.hydra.sweeper.params or OmegaConf.create({}))
    lines = [f"{key}={values}" for key, values in sweep.items()]
    sweeps = OverridesParser.create().parse_overrides(lines)
    first = [f"{o.key_or_group}={first_of(o)}" for o in sweeps]
    if "SPEAR_DATA" not in os.environ:  # then on data that are always there
        first = [each for each in first if not each.startswith("dataset")] + ["dataset=faces"]
        its_own = ("resolution", "folder")
        with initialize_config_dir(str(CONF), version_base="1.3"):
            on_faces = compose("config", [chosen, "dataset=faces"])
        first += [f"~dataset.{key}" for key in its_own if key in on_faces.dataset]
    elif "resolution" in config.dataset:  # on whichever images are there, small
        folders = ("imagenet", "imagenet-sample", "imagenet-large")
        found = [each for each in folders if Path(os.environ["SPEAR_DATA"], each).is_dir()]
        first += ["dataset.resolution=16", f"dataset.folder={found[0]}"]
    small = ["n_batches=1", f"batch_size={min(2, config.batch_size)}", "device=auto"]
    if "width" not in config.network:  # VGG16 takes minutes
        first += ["network=fcnn"]
    if "patch" in config.network:
        small += ["network.width=48", "network.mlp_width=64", "network.depth=2"]
        small += ["network.patch=8"] if "resolution" in config.dataset else []
        first += ["network.patch=5"] if "dataset=faces" in first else []
    elif not any(each.startswith("network.width") for each in first):
        small.append("network.width=50")
    if "iterations" in config.attack:
        small.append("attack.iterations=5")
    if "steps" in config.network and not any(each.startswith("network.steps") for each in first):
        small.append("network.steps=2")
    if "time_limit" in config.attack:
        small.append("attack.time_limit=2")
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    outcome = spear(f"experiment={name}", "hydra.mode=RUN", *first, *small)
    assert outcome.code == 0, outcome.error
    written = next(Path(tmp_path).rglob("summary.json"))
    assert written.parents[1].name == name
