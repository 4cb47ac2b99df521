"""What attacks on the whole update refuse, by the library and on the command line, each in one
sentence: batch norm, dropout, what cannot be differentiated twice, labels that nobody knows."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.command import Command
from support.tabular import People
from support.victims import VICTIMS, Detach, with_module
from torch import nn

from spear.baselines.cocktail_party.attack import CocktailParty
from spear.baselines.feature_inversion.attack import FeatureInversion
from spear.baselines.gradient_matching.attack import GradientMatching
from spear.baselines.gradient_matching.initialisation import Normal
from spear.baselines.gradient_matching.labels import JointLabels
from spear.baselines.gradient_matching.objectives import SquaredDistance
from spear.baselines.gradient_matching.optimisers import LBFGS
from spear.baselines.tableak.attack import TabLeak
from spear.client.client import Client
from spear.data import Faces
from spear.data.base import Dataset
from spear.errors import InvalidObservation, SpearError, VictimError
from spear.inversion import SpearIrls, SpearPrior
from spear.update import Update

B = 4


def dlg() -> GradientMatching:
    settings = {"box": False, "iterations": 2}
    return GradientMatching(SquaredDistance(), {}, Normal(), JointLabels(B), LBFGS(), **settings)


ATTACKS: dict[str, Callable[[], object]] = {
    "geiping": lambda: GradientMatching(iterations=2),
    "dlg": dlg,
    "tableak": lambda: TabLeak(iterations=2, restarts=2),
    "feature_inversion": lambda: FeatureInversion(SpearIrls(), iterations=2),
    "spear_prior": lambda: SpearPrior(GradientMatching(iterations=2), max_submatrices=100),
}
GIVEN_LABELS = [name for name in ATTACKS if name != "dlg"]
COMMANDS = {
    "geiping": ["attack.iterations=2"],
    "dlg": ["attack.iterations=2"],
    "feature_inversion": ["attack.iterations=2"],
    "spear_prior": ["attack.prior.iterations=2", "attack.max_submatrices=100"],
}


def dataset_of(attack: str) -> Dataset:
    return People() if attack == "tableak" else Faces()


def shared(network: nn.Module, dataset: Dataset) -> Update:
    batch = dataset.batch(B, torch.Generator().manual_seed(0))
    return Client(network, domain=dataset.domain).share(batch).with_labels(batch.labels)


def refused(kind: type[SpearError], work: Callable[[], object], words: str) -> None:
    with pytest.raises(kind) as caught:
        work()
    message = str(caught.value)
    assert words in message
    assert message.endswith(".")
    assert "\n" not in message


def attacked(attack: object, update: Update) -> Callable[[], object]:
    return lambda: attack(attack.observe(update))  # type: ignore[operator, attr-defined]


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("name", ATTACKS)
def test_the_library_refuses_the_victim(name: str, victim: str) -> None:
    make, words = VICTIMS[victim]
    dataset = dataset_of(name)
    network = make(dataset.input_shape, dataset.n_classes)
    attack = ATTACKS[name]()
    refused(VictimError, attacked(attack, shared(network, dataset)), words)
    if victim != "once":
        refused(VictimError, lambda: attack.check(network, dataset.domain), words)  # type: ignore[attr-defined]
        shut = shared(network.eval(), dataset)
        attacked(attack, shut)()


@pytest.mark.parametrize("name", GIVEN_LABELS)
@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, "labels"),
        (torch.tensor([0, 1, 0, 999]), "expected class indices from 0 to"),
        (torch.tensor([0.0, 1.0, 1.0, 0.0]), "expected b class indices"),
    ],
)
def test_the_library_refuses_labels(name: str, labels: torch.Tensor | None, words: str) -> None:
    dataset = dataset_of(name)
    network = with_module(nn.Identity(), dataset.input_shape, dataset.n_classes)
    update = shared(network, dataset)
    wrong = Update(network, update.gradients, update.loss, update.domain, labels)
    refused(InvalidObservation, attacked(ATTACKS[name](), wrong), words)


def test_a_network_that_is_cut_off_from_its_inputs_is_refused() -> None:
    dataset = Faces()
    network = with_module(nn.Identity(), dataset.input_shape, dataset.n_classes)
    update = shared(nn.Sequential(Detach(), *network), dataset)
    refused(VictimError, attacked(dlg(), update), "do not depend on its inputs")


def test_independent_components_need_neither_labels_nor_a_derivative() -> None:
    for make, _ in VICTIMS.values():
        network = make(Faces().input_shape, Faces().n_classes)
        update = shared(network, Faces())
        attack = CocktailParty(iterations=2)
        attack.check(network, Faces().domain)
        unlabelled = Update(network, update.gradients, update.loss, update.domain)
        assert attack(attack.observe(unlabelled)).inputs.shape == (B, 625)


@pytest.mark.parametrize(
    ("name", "victim"),
    [*((name, "dropout") for name in COMMANDS), ("geiping", "batch_norm"), ("geiping", "once")],
)
@pytest.mark.few(2)
def test_the_command_refuses_the_victim(
    name: str,
    victim: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    spear = Command(tmp_path, monkeypatch, capfd)
    victims = tmp_path / "conf" / "network" / "victim.yaml"
    victims.parent.mkdir(parents=True)
    victims.write_text(f"_target_: victims.{victim}\n")
    network = [f"hydra.searchpath=[file://{tmp_path / 'conf'}]", "network=victim"]
    small = [f"batch_size={B}", "n_batches=1", f"attack={name}"]
    outcome = spear(*network, *small, *COMMANDS[name])
    assert outcome.code == 1
    assert VICTIMS[victim][1] in outcome.message
    assert "Traceback" not in outcome.error
