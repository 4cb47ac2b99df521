"""Every attack on text against every defense, tiny; all others refuse a network of tokens."""

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from support import language
from support.choices import OF_TEXT

from spear.errors import SpearError
from spear.experiments.cli.start import CONF
from spear.experiments.config.build import build
from spear.reconstruction import Status
from spear.update import Update

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")

TEXT = sorted(OF_TEXT)
OTHERS = sorted({path.stem for path in (CONF / "attack").glob("*.yaml")} - OF_TEXT)
DEFENSES = sorted(path.stem for path in (CONF / "defense").glob("*.yaml"))
PROVEN = {"dager": "estimated", "match_text": "timed_out", "spear_gated": "approximate"}
"""Best end of the attacks that prove nothing, in a second."""
KINDS = {"gpt2": "next_token", "bert": "classification", "llama": "next_token"}
"""Architecture -> its objective."""
GATED = {"spear_gated", "spear_text_gated"}
OF_NUMBERS = {"soteria"}
"""Defenses that differentiate in the inputs."""


def built(name, *overrides):
    usual = ["dataset=sentences", "network=gpt2", "batch_size=2", "device=cpu", *overrides]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [*usual, f"attack={name}"])
    if "generator" in config.attack:
        config.attack.generator.weights = str(
            CONF.parent / "spear/baselines/generative/weights/cifar10.safetensors"
        )
    return build(config, "attack")


def suits(name, kind):
    """Tell whether an attack is for an architecture with its loss."""
    if name in ("spear_block", "spear_text") or name in GATED:
        return (kind == "llama") == (name in GATED)
    return name != "match_text" or KINDS[kind] == "classification"


def ended(attack, update):
    """What an attack returns, or the sentence by which it refuses the update."""
    try:
        return attack(attack.observe(update))
    except SpearError as error:
        return str(error)


@pytest.fixture(scope="module")
def updates():
    found = {}
    for defense in sorted({*DEFENSES} - OF_NUMBERS):
        node = OmegaConf.load(CONF / "defense" / f"{defense}.yaml")
        made = build(OmegaConf.create({"defense": node}), "defense")
        for kind, objective in KINDS.items():
            found[defense, kind] = language.shared(kind, objective, defense=made).update
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("defense", sorted({*DEFENSES} - OF_NUMBERS))
@pytest.mark.parametrize("name", TEXT)
def test_every_attack_on_text_ends_or_says_why_not(name, defense, kind, updates):
    limits = [] if name == "dager" else ["attack.time_limit=1"]
    attack, update = built(name, *limits), updates[defense, kind]
    if not suits(name, kind):
        with pytest.raises(SpearError, match=r"scores tokens|gated block"):
            attack.check(update.network, update.domain)
        return
    if attack.given_labels:
        update = update.with_labels(torch.tensor([0, 1]))
    found = ended(attack, update)
    if isinstance(found, str):
        assert defense != "none"
        assert found.endswith(".")
        return
    assert found.status is not Status.FAILED
    assert torch.isfinite(found.inputs).all()
    assert found.inputs.shape[1] == (64 if name in ("spear_block", "spear_gated") else 24)
    if defense == "none":
        assert found.status == PROVEN.get(name, "exact")
    elif found.status is Status.EXACT:
        assert defense == "clipping"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TEXT)
def test_an_update_without_information_is_told(name, kind, updates):
    update = updates["none", kind]
    zero = {key: torch.zeros_like(value) for key, value in update.gradients.items()}
    attack = built(name)
    labels = torch.tensor([0, 1]) if attack.given_labels else None
    if not suits(name, kind):
        return
    seen = attack.observe(Update(update.network, zero, update.loss, update.domain, labels))
    assert attack(seen).status is Status.ZERO_GRADIENT


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_attack_refuses_a_network_of_tokens(name, updates):
    update = updates["none", "gpt2"]
    attack = built(name)
    with pytest.raises(SpearError, match="takes tokens"):
        attack.check(update.network, update.domain)


@pytest.mark.parametrize("name", sorted(OF_NUMBERS))
def test_a_defense_that_needs_numbers_refuses_tokens(name):
    node = OmegaConf.load(CONF / "defense" / f"{name}.yaml")
    made = build(OmegaConf.create({"defense": node}), "defense")
    with pytest.raises(SpearError, match="the inputs are tokens"):
        language.shared("bert", "classification", defense=made)
