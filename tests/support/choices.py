"""The choices of `conf/`, and the whole configuration with one of them chosen."""

import functools
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from spear.experiments.config.schema import CONF, register
from spear.experiments.config.spec import GROUPS

WITHIN = {
    "attack/sampler": ["attack=spear"],
    "attack/kernels": ["attack=spear_noisy"],
    "attack/search": ["attack=spear_input"],
    "attack/settings": ["attack=spear_irls"],
    "attack/features": ["attack=feature_inversion"],
    "attack/lambda_search": ["attack=label_recovery"],
    "fedavg/optimizer": ["fedavg=fedavg"],
}
"""Groups within a group, and the choice there that has them."""

OF_TEXT = {
    "dager", "match_text", "spear_block", "spear_gated", "spear_text", "spear_text_gated",
}  # fmt: skip
"""Attacks on language models, which need Transformers; `make test-text` tests them."""

CHOICES = [
    (group, path.stem)
    for group in (*GROUPS, *WITHIN)
    for path in sorted((CONF / group).glob("*.yaml"))
]
"""Each group with each of its files."""


@functools.cache
def composed(*overrides: str) -> dict[str, Any]:
    """The configuration of a command line, unresolved, as plain values that must not be changed.

    The key `hydra` has Hydra's own.
    """
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        made = compose("config", list(overrides), return_hydra_config=True)
    plain: dict[str, Any] = OmegaConf.to_container(made)  # type: ignore[assignment]
    return plain


def with_choice(group: str, choice: str) -> dict[str, Any]:
    """The configuration with one choice, and with those that it needs."""
    return composed(*WITHIN.get(group, []), f"{group}={choice}")


def at(config: Any, key: str) -> Any:
    """The value of a dotted key.

    Raises:
        KeyError: there is no such key.
    """
    for name in key.split("."):
        if not isinstance(config, dict) or name not in config:
            raise KeyError(key)
        config = config[name]
    return config
