"""What attacks are given is what their classes and the documentation say, and can be refused."""

import pytest
from support.choices import CHOICES, OF_TEXT
from support.sources import ROOT
from support.specs import spec_of

from spear.errors import ConfigError
from spear.experiments.config.threat import (
    GIVEN,
    LETTERS,
    MODELS,
    check_allowed,
    letters,
    table,
)
from spear.whole_update import WholeUpdateAttack

ATTACKS = [choice for group, choice in CHOICES if group == "attack"]
HERE = [choice for choice in ATTACKS if choice not in OF_TEXT]


def test_every_attack_has_letters():
    assert set(GIVEN) == set(ATTACKS)
    assert all(set(own) <= set(LETTERS) for own in GIVEN.values())
    assert MODELS["all"] == "".join(LETTERS)


@pytest.mark.parametrize("choice", HERE)
def test_the_letters_are_those_of_the_class(choice):
    attack = spec_of(f"attack={choice}").attack()
    assert ("Y" in GIVEN[choice]) == attack.given_labels
    assert letters(choice, attack) == GIVEN[choice]
    if isinstance(attack, WholeUpdateAttack):
        assert "M" in GIVEN[choice]


def test_settings_decide_whether_labels_are_given():
    attack = spec_of(
        "attack=match_l2",
        "attack.labels._target_=spear.baselines.gradient_matching.JointLabels",
        "+attack.labels.batch_size=2",
    ).attack()
    assert letters("match_l2", attack) == "WM"
    check_allowed("server", "match_l2", attack)
    given = spec_of("attack=match_l2").attack()
    with pytest.raises(ConfigError, match="labels of the batch, which attack=match_l2 needs"):
        check_allowed("server", "match_l2", given)
    check_allowed("labels", "match_l2", given)
    check_allowed(None, "match_l2", given)


def test_the_command_refuses_before_the_first_batch(tmp_path, monkeypatch, capfd):
    from support.command import Command

    spear = Command(tmp_path / "out", monkeypatch, capfd)
    keys = ("dataset=digits", "batch_size=2", "n_batches=1")
    refused = spear(*keys, "attack=geiping", "threat_model=server")
    assert refused.code == 1
    assert "does not give the server labels of the batch and a prior on inputs" in refused.message
    assert "threat_model=all" in refused.message
    assert "which attack=spear_auto needs" in spear(*keys, "threat_model=layer").message
    assert spear(*keys, "attack=spear_irls", "threat_model=layer").code == 0
    assert "did you mean 'server'?" in spear(*keys, "threat_model=servr").message


def test_the_documentation_has_the_table():
    assert table() in (ROOT.parent / "docs" / "threat-model.md").read_text(encoding="utf-8")
