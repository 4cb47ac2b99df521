"""Every attack against every defense, tiny: a reconstruction, or one sentence why there is none."""

import re

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from support.choices import OF_TEXT
from support.tabular import People

from spear.attack import Attack
from spear.baselines.generative.dcgan import DCGAN
from spear.client import Client, WeightedMean
from spear.data import Batch, Digits, JointBatch
from spear.errors import InvalidObservation, LayerError, VictimError
from spear.experiments.cli.start import CONF
from spear.experiments.config.build import build
from spear.networks import fcnn, vit
from spear.reconstruction import Status
from spear.seeding import Stream, batch_generator

ATTACKS = sorted({path.stem for path in (CONF / "attack").glob("*.yaml")} - OF_TEXT)
"""Those of text are in tests/text/test_every_attack.py."""
DEFENSES = sorted(path.stem for path in (CONF / "defense").glob("*.yaml"))
B, WIDTH, DEPTH = 2, 20, 3
TABULAR = {"tableak"}
TRANSFORMERS = {"april", "spear_vit"}
"""Attacks on vision transformers."""
SINGLE = {
    *("geiping_recovered_labels", "geiping_sign_labels", "idlg"),
    *("label_recovery", "label_recovery_analytic"),
}
"""Attacks on one sample, whose gradient at a layer has rank 1 but for noise."""
SMOOTH = {"spear_pair_unbiased"}
"""Attacks that a ReLU does not tell the lengths of inputs."""
UNBIASED = {"spear_pair_by_loss"}
"""Attacks on networks without biases."""
NOISY = {"gaussian_noise", "random_sparsification"}
"""Defenses whose noise, by default, is seen in that rank."""
ANOTHER_RANK = (
    "so that the batch is larger|full rank, by a batch or by noise|recovered features but 2 labels|"
    "expected relu and equal numbers"
)
SIGNS = "signs, whose rank says nothing of the batch"
REFUSALS = {
    "clipping_by_value": f"{ANOTHER_RANK}|{SIGNS}",
    "int8": ANOTHER_RANK,
    "int8_stochastic": ANOTHER_RANK,
    "sign": SIGNS,
    "top_k": ANOTHER_RANK,
}
"""Defense -> the reason by which an attack may refuse it: the rank is not the batch size."""
TINY = {
    "iterations": 4,
    "latent_iterations": 4,
    "generations": 2,
    "population": 4,
    "restarts": 2,
    "evaluations": 4,
    "max_submatrices": 2000,
    "max_starts": 20,
    "max_rounds": 20,
    "time_limit": 1,
}


def shrunk(node):
    """Every key of an attack that says how long it may take, made small."""
    for key, value in node.items():
        if OmegaConf.is_dict(value):
            shrunk(value)
        elif key in TINY and value is not None:
            node[key] = TINY[key]


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """For the pictures of the digits, untrained."""
    path = tmp_path_factory.mktemp("generator") / "digits.safetensors"
    DCGAN((1, 8, 8), latent=4, width=4).save(path, {})
    return path


@pytest.fixture(scope="module")
def attacks(generator):
    built: dict[str, Attack] = {}
    usual = ["dataset=digits", f"batch_size={B}", "device=cpu", f"network.depth={DEPTH}"]
    for name in ATTACKS:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("config", [*usual, f"attack={name}"])
        shrunk(config.attack)
        if "generator" in config.attack:
            config.attack.generator.weights = str(generator)
            if "radii" in config.attack:
                config.attack.radii = config.attack.radii[:1]
        built[name] = build(config, "attack")
    return built


@pytest.mark.parametrize("name", sorted(OF_TEXT))
def test_attacks_on_text_refuse_networks_of_numbers(name, updates):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        attack = build(compose("config", [f"attack={name}", "device=cpu"]), "attack")
    update, _ = updates["none", "digits", B]
    for refused in (
        lambda: attack.check(update.network, update.domain),
        lambda: attack.observe(update),
    ):
        with pytest.raises(
            VictimError, match=r"choose .*network=bert, gpt2, opt, llama or minilm\.$"
        ):
            refused()
    with pytest.raises(InvalidObservation, match=r"^update is a str; expected a spear\.Upd"):
        attack.observe("a")


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_no_update_is_refused(attacks, name):
    for given, kind in (("a", "str"), ({}, "dict"), (torch.ones(2), "Tensor")):
        with pytest.raises(InvalidObservation, match=f"^update is a {kind}; expected a spear.Upd"):
            attacks[name].observe(given)


@pytest.mark.parametrize("name", ["spear", "spear_irls", "spear_input", "spear_prior"])
def test_a_layer_that_is_no_number_is_refused_at_once(name):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [f"attack={name}", "device=cpu"])
    attack = build(config, "attack")
    values = {key: each for key, each in vars(attack).items() if key in ("prior", "sampler")}
    with pytest.raises(LayerError, match=r"^layer is 'a'; expected the number of a linear layer"):
        type(attack)(layer="a", **values)


@pytest.fixture(scope="module")
def updates():
    """What clients of pictures, of rows of a table, and of patches share under each defense."""
    shared = {}
    for defense in DEFENSES:
        node = OmegaConf.load(CONF / "defense" / f"{defense}.yaml")
        made = build(OmegaConf.create({"defense": node}), "defense")
        for kind, dataset, b in (
            ("digits", Digits(), B),
            ("digits", Digits(), 1),
            ("people", People(), B),
            ("smooth", Digits(), B),
            ("unbiased", Digits(), B),
            ("patches", Digits(), B),
        ):
            activation = "gelu" if kind == "smooth" else "relu"
            network = fcnn(
                dataset.input_shape,
                dataset.n_classes,
                WIDTH,
                DEPTH,
                activation=activation,
                bias=kind != "unbiased",
            )
            if kind == "patches":
                network = vit(dataset.input_shape, dataset.n_classes, 4, 64, 2, 4, 256)
            client = Client(network, defense=made, domain=dataset.domain)
            batch = dataset.batch(b, batch_generator(0, 0, Stream.DATA))
            update = client.share(batch, batch_generator(0, 0, Stream.CLIENT))
            shared[defense, kind, b] = update, batch
    return shared


def kind_of(name):
    """The client whose update an attack is for."""
    if name in TABULAR:
        return "people"
    if name in UNBIASED:
        return "unbiased"
    return "patches" if name in TRANSFORMERS else "digits"


def joint_update(name, updates):
    """The mean update of two clients with one input each, and their joined batch."""
    kind = "smooth" if name in SMOOTH else kind_of(name)
    update, batch = updates["none", kind, B]
    client = Client(update.network, domain=update.domain)
    halves = [Batch(batch.inputs[i : i + 1], batch.labels[i : i + 1]) for i in range(B)]
    joint = JointBatch.of(dict(enumerate(halves)))
    return WeightedMean(B).share(client, joint, None), joint


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_takes_the_mean_of_two_clients_for_one_batch(name, attacks, updates):
    attack = attacks[name]
    update, batch = joint_update(name, updates)
    if attack.given_labels:
        update = update.with_labels(batch.labels)
    if name in SINGLE:
        with pytest.raises(InvalidObservation, match="has rank 2, so that the batch is larger, bu"):
            attack(attack.observe(update))
        return
    found = attack(attack.observe(update))
    alone, _ = updates["none", "smooth" if name in SMOOTH else kind_of(name), B]
    beside = attack(attack.observe(alone.with_labels(batch.labels)))
    assert (found.status, found.batch_size) == (beside.status, beside.batch_size)
    assert found.message


def full_rank_is_told(attack, update):
    """Whether an attack on one sample refuses the update of several, or of noise, for its rank."""
    try:
        found = attack(attack.observe(update))
    except InvalidObservation as error:
        return "has full rank, by a batch or by noise" in str(error)
    return found.status is Status.FULL_RANK


def found_or_reason(attack, update):
    """The result of an attack, or the reason by which it refuses the update."""
    try:
        return attack(attack.observe(update))
    except InvalidObservation as error:
        return str(error)


@pytest.mark.parametrize("defense", DEFENSES)
@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.few(100)
def test_every_attack_runs_against_every_defense(name, defense, attacks, updates):
    attack = attacks[name]
    b = 1 if name in SINGLE else B
    update, batch = updates[defense, "smooth" if name in SMOOTH else kind_of(name), b]
    if attack.given_labels:
        update = update.with_labels(batch.labels)
    if name in SINGLE and defense in NOISY:
        assert full_rank_is_told(attack, update)
        return
    found = found_or_reason(attack, update)
    if isinstance(found, str):
        assert re.search(REFUSALS[defense], found)
        return
    assert found.status is not Status.FAILED
    assert found.message
    n = len(batch.inputs[0].flatten()) if attack.layer in (None, 1) else WIDTH
    assert found.inputs.shape[1] == n
    assert torch.isfinite(found.inputs).all()
    assert found.batch_size > 0 or found.status in (Status.FULL_RANK, Status.ZERO_GRADIENT)


@pytest.mark.parametrize("name", sorted(set(ATTACKS) - TABULAR))
def test_an_update_without_information_is_told(name, attacks, updates):
    update, batch = updates["none", kind_of(name), 1 if name in SINGLE else B]
    gradients = {key: torch.zeros_like(value) for key, value in update.gradients.items()}
    update = type(update)(update.network, gradients, update.loss, update.domain, batch.labels)
    attack = attacks[name]
    assert attack(attack.observe(update)).status is Status.ZERO_GRADIENT
