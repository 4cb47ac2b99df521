"""Attack of which `spear plan` forecasts the time: the one that the default tries first."""

from omegaconf import DictConfig

from spear.experiments.cli.pair_searches import NETWORK, ROUNDING, SECURE_SUM, SINGLE_GRADIENT
from spear.experiments.config.schema import joint_size
from spear.inversion.auto import is_easy

AUTO = "spear.inversion.SpearAuto"
DESCENT = "spear.inversion.SpearIrls"
TRAINED = "spear.networks.trained_fcnn"
FCNN = ("spear.networks.fcnn", TRAINED)


def first_tried(config: DictConfig) -> str:
    """Return the target of a job's attack; of the default, that of the attack it begins with.

    For networks that have no forecast it is the descent.
    """
    target, network = str(config.attack._target_), config.network
    if target != AUTO:
        return target
    if network._target_ not in FCNN:
        return DESCENT
    has_relu = network.get("activation", "relu") == "relu" and network.get("bias", True)
    if not has_relu or config.attack.layer in (-1, network.depth):
        return NETWORK
    b = joint_size(config.batch_size, config.aggregation)
    easy = config.attack.layer == 1 and is_easy(b, network.width)
    return DESCENT if easy or is_noisy(config) else NETWORK


def is_noisy(config: DictConfig) -> bool:
    """Return whether noise, of a defense or of weights after local steps, exceeds rounding."""
    defense = config.defense
    exact = (
        config.fedavg._target_ == SINGLE_GRADIENT
        and config.aggregation._target_ != SECURE_SUM
        and defense._target_ != ROUNDING
    )
    noise = (defense.get(key, 0.0) for key in ("noise_std", "noise_multiplier"))
    return any(noise) or not exact
