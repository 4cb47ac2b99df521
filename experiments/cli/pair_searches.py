"""Size of the searches of a job that attacks layer pairs, from its configuration alone."""

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from spear.experiments.config.build import build
from spear.experiments.config.schema import joint_size
from spear.inversion.pair.choice import Method
from spear.inversion.pair.planned_search import PairSearch
from spear.layers import linear_layers
from spear.pairs import first_pair, pair_at

PAIR = "spear.inversion.SpearPair"
NETWORK = "spear.inversion.SpearNetwork"

SINGLE_GRADIENT = "spear.client.SingleGradient"
SECURE_SUM = "spear.client.SecureSum"
ROUNDING = "spear.client.defenses.MixedPrecision"

STAND_IN = (4,)
"""Shape of an input of the network in small that is traced."""


def pair_obstacle(config: DictConfig) -> str:
    """Return the reason that there is no forecast for a job of layer pairs, or an empty string.

    The constants are fitted to records, and there are none of these.
    """
    defense = config.defense
    if config.network._target_ != "spear.networks.fcnn":
        return f"no forecast for layer pairs of {config.network._target_.rpartition('.')[2]}"
    if config.fedavg._target_ != SINGLE_GRADIENT:
        return "no forecast for layer pairs after local steps"
    if config.aggregation._target_ == SECURE_SUM:
        return "no forecast for layer pairs of rounded updates"
    if defense._target_ == ROUNDING:
        return "no forecast for layer pairs of rounded gradients"
    if any(defense.get(key, 0.0) for key in ("noise_std", "noise_multiplier")):
        return "no forecast for layer pairs in noise"
    if config.dataset.get("normalize") is False:
        return "no forecast for layer pairs of pixels that are not normalised"
    return ""


def pair_search_of(config: DictConfig, entries: int) -> PairSearch:
    """Return the size and settings of a job's searches.

    The next layer's gradient has rank b, or one less than the classes under a softmax. Of
    `attack=spear_network`, with which the default may begin, it is the search of the first pair,
    which may not be the one it tries.

    Args:
        config: of the job.
        entries: of one of the network's inputs.

    Raises:
        SpearError: the network has no such pair.
    """
    attack, network = config.attack, config.network
    classes = n_classes_of(config)
    small = OmegaConf.merge(config, {"network": {"width": 2, "checkpoint": None}})
    assert isinstance(small, DictConfig)
    model = build(small, "network", input_shape=STAND_IN, n_classes=classes)
    layers = linear_layers(model, STAND_IN)
    layer = attack.layer if attack._target_ == PAIR else first_pair(layers)
    sigma = pair_at(layers, layer).activation(dict(model.named_parameters()))
    last = layer == network.depth - 1
    b, method = joint_size(config.batch_size, config.aggregation), attack.get("method")
    return PairSearch(
        b=b,
        m=network.width,
        n=entries if layer == 1 else network.width,
        r=min(b, classes - 1 if last else network.width),
        activation=sigma,
        method=None if method is None else Method(method),
        most_starts=attack.max_starts,
        time_limit=attack.time_limit,
    )


def n_classes_of(config: DictConfig) -> int:
    """Return the number of classes of a job's data set.

    Raises:
        SpearError: the data set cannot be loaded, and only its files tell.
    """
    declared = getattr(get_object(config.dataset._target_), "n_classes", None)
    return int(declared if declared is not None else build(config, "dataset").n_classes)
