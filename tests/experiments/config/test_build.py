"""Building objects: what a class says of its parameters reaches the user with the full key."""

import pytest
from hydra.errors import InstantiationException
from omegaconf import OmegaConf

from spear.errors import CheckpointError, ConfigError
from spear.experiments.config.build import build, create

MATCHING = "spear.baselines.gradient_matching"


def attack(**keys):
    return {"_target_": f"{MATCHING}.GradientMatching", **keys}


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (attack(iterations=0), "attack.iterations is 0; expected at least 1."),
        (
            attack(optimiser={"_target_": f"{MATCHING}.Adam", "learning_rate": 0.0}),
            "attack.optimiser.learning_rate is 0.0; expected more than 0.",
        ),
        (
            attack(
                optimiser={
                    "_target_": f"{MATCHING}.Adam",
                    "schedule": {"_target_": f"{MATCHING}.WarmUpRampDown", "warm_up": 2.0},
                }
            ),
            "attack.optimiser.schedule.warm_up is 2.0; expected a share above 0, at most 1.",
        ),
        (
            attack(
                labels={"_target_": f"{MATCHING}.JointLabels", "batch_size": 2},
                regularisers={"features": {"_target_": f"{MATCHING}.FeatureDistance"}},
            ),
            "attack.regularisers.features needs the labels, which labels does not give; leave it "
            "out, or use GivenLabels.",
        ),
    ],
    ids=["itself", "inside", "deep", "named object"],
)
def test_a_message_names_the_full_key(node, message):
    with pytest.raises(ConfigError) as error:
        build(OmegaConf.create({"attack": node}), "attack")
    assert str(error.value) == message


def test_the_library_names_the_parameter_alone():
    from spear.baselines.gradient_matching import GradientMatching

    with pytest.raises(ConfigError, match=r"^iterations is 0; "):
        GradientMatching(iterations=0)


def test_the_kind_of_error_stays():
    node = {"_target_": "spear.baselines.generative.DCGAN.trained", "weights": "nowhere"}
    with pytest.raises(CheckpointError, match=r"^attack\.generator\.weights is 'nowhere'"):
        create(OmegaConf.create(node), "attack.generator")


def test_a_message_that_begins_otherwise_stays():
    """Runtime arguments have no key, and a sentence may begin with another word."""
    node = {"_target_": "spear.networks.lenet"}
    with pytest.raises(ConfigError, match=r"^lenet is for images of C x H x W"):
        create(OmegaConf.create(node), "network", input_shape=(4,), n_classes=2)


def test_lists_and_mappings_arrive_as_python_has_them():
    node = {
        "_target_": "spear.inversion.descent.Settings",
        "exponents": [1.0, 0.5],
        "deflate": "${other}",
    }
    config = OmegaConf.create({"other": False, "settings": node})
    settings = create(config.settings, "settings")
    assert type(settings.exponents) is list
    assert settings.deflate is False


def test_a_text_is_no_number():
    config = OmegaConf.create({"defense": {"_target_": "spear.client.defenses.TopK", "share": "1"}})
    with pytest.raises(ConfigError, match=r"^key 'defense\.share' is '1'; expected float\.$"):
        build(config, "defense")


def test_a_number_is_no_list():
    node = {"_target_": f"{MATCHING}.StepDecay", "shares": 0}
    with pytest.raises(ConfigError, match=r"^key 'attack\.shares' is 0; expected a list"):
        build(OmegaConf.create({"attack": node}), "attack")


def test_a_number_is_text_where_only_text_is_expected():
    node = {"_target_": "spear.baselines.generative.DCGAN.trained", "weights": 2026}
    with pytest.raises(CheckpointError, match=r"^attack\.generator\.weights is '2026'"):
        create(OmegaConf.create(node), "attack.generator")


def test_another_error_names_the_node():
    node = {"_target_": "spear.client.FedAvg", "epochs": 1}
    with pytest.raises(InstantiationException, match=r"(?s)'learning_rate'.*full_key: fedavg"):
        create(OmegaConf.create(node), "fedavg")
