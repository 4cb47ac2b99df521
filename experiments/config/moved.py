"""Old names in a user's configuration: accepted, with a warning that gives the new name."""

import logging
import re

from omegaconf import DictConfig, ListConfig, OmegaConf

log = logging.getLogger(__name__)

TARGETS = {
    "experiments.objective": "spear.experiments.job.search_target",
    "experiments.sweep.SweepCallback": "spear.experiments.sweep.monitor.SweepCallback",
    "experiments.tracking": "spear.experiments.tracking.wandb",
    "experiments.yardstick": "spear.inversion",
    "spear.augmentations": "spear.data",
    "spear.baselines.gifd.DCGAN": "spear.baselines.generative.DCGAN",
    "spear.baselines.gifd.Training": "spear.baselines.generative.Training",
    "spear.ci_net.attack": "spear.baselines.ci_net",
    "spear.client.risk.base.NoForecast": "spear.client.risk.NoRiskForecast",
    "spear.cocktail_party.attack": "spear.baselines.cocktail_party",
    "spear.cocktail_party.feature_inversion": "spear.baselines.feature_inversion",
    "spear.datasets": "spear.data",
    "spear.defenses": "spear.client.defenses",
    "spear.fedavg": "spear.client",
    "spear.generative.dcgan": "spear.baselines.generative",
    "spear.generative.gifd": "spear.baselines.gifd",
    "spear.generative.training": "spear.baselines.generative",
    "spear.gradient_matching.attack": "spear.baselines.gradient_matching",
    "spear.gradient_matching.initialisation": "spear.baselines.gradient_matching",
    "spear.gradient_matching.labels": "spear.baselines.gradient_matching",
    "spear.gradient_matching.labels.RecoveredLabels": (
        "spear.baselines.label_recovery.RecoveredLabels"
    ),
    "spear.gradient_matching.objectives": "spear.baselines.gradient_matching",
    "spear.gradient_matching.optimisers": "spear.baselines.gradient_matching",
    "spear.gradient_matching.regularisers": "spear.baselines.gradient_matching",
    "spear.gradient_matching.regularisers.RecoveredFeatureDistance": (
        "spear.baselines.label_recovery.RecoveredFeatureDistance"
    ),
    "spear.gradient_matching.schedules": "spear.baselines.gradient_matching",
    "spear.gradient_matching.tableak": "spear.baselines.tableak",
    "spear.gradient_matching.transforms": "spear.baselines.gradient_matching",
    "spear.inversion.inputs.attack": "spear.inversion",
    "spear.inversion.inputs.descent": "spear.inversion.inputs",
    "spear.inversion.inputs.sampling": "spear.inversion.inputs",
    "spear.inversion.irls.attack": "spear.inversion",
    "spear.inversion.irls.search": "spear.inversion.descent",
    "spear.inversion.overdetermined": "spear.inversion.sampling",
    "spear.inversion.samplers": "spear.inversion.sampling",
    "spear.inversion.spear": "spear.inversion",
    "spear.inversion.spear_noisy": "spear.inversion",
    "spear.inversion.spear_prior": "spear.inversion",
    "spear.labels.analytic": "spear.baselines.label_recovery",
    "spear.labels.batch": "spear.inversion",
    "spear.labels.recovery": "spear.baselines.label_recovery",
    "spear.labels.search": "spear.baselines.label_recovery",
    "spear.lenet": "spear.networks",
    "spear.training": "spear.networks",
    "spear.vgg": "spear.networks",
    "spear.vulnerability.forecast.NoForecast": "spear.client.risk.NoRiskForecast",
    "spear.vulnerability.lavp": "spear.client.risk",
}
"""Beginning of an old `_target_` -> the new one."""

GROUPS = {"forecast": "risk"}
"""Old group of `conf/` -> the new one."""


TYPED = re.compile(r"(\b_target_\s*[=:]\s*)([\w.]+)")
"""A `_target_` as overrides have it, also inside of a mapping: all before its value, and that."""


def new_target(name: str) -> str:
    """Return the present name of a `_target_`; it differs only if the class has moved."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):  # the longest beginning decides
        moved = TARGETS.get(".".join(parts[:count]))
        if moved:
            return ".".join([moved, *parts[count:]])
    return name


def hint(what: str, old: str, new: str, then: str = "; the next version will refuse it") -> str:
    """Return the sentence that tells a user of an old name; all hints have this form.

    Args:
        what: of which kind or at which key the name is.
        old, new: former and present name.
        then: end of the sentence, with what follows from the change.
    """
    return f"{what} {old!r} is now {new!r}{then}."


def renamed(overrides: str) -> str:
    """Return overrides, as they name a job's folder, with the new name of each old `_target_`."""
    return TYPED.sub(lambda each: each[1] + new_target(each[2]), overrides)


def accept_old_targets(node: DictConfig | ListConfig) -> None:
    """Replace old `_target_`s anywhere in a configuration; warn of each."""
    for key, old, new in replace_old_targets(node):
        log.warning(hint(key, old, new))


def replace_old_targets(
    node: DictConfig | ListConfig, path: str = ""
) -> list[tuple[str, str, str]]:
    """Replace old `_target_`s in a configuration, such as a recorded one, without warnings.

    Args:
        node: configuration, which is changed.
        path: its key.

    Returns:
        Full key, old name and new name of each.
    """
    replaced = []
    keys = list(node) if isinstance(node, DictConfig) else range(len(node))
    for key in keys:
        if OmegaConf.is_missing(node, key) or OmegaConf.is_interpolation(node, key):
            continue
        full = f"{path}.{key!s}" if path else str(key)
        value = node[key]
        if isinstance(value, DictConfig | ListConfig):
            replaced += replace_old_targets(value, full)
        elif key == "_target_" and new_target(str(value)) != value:
            node[key] = new_target(str(value))
            replaced.append((full, str(value), node[key]))
    return replaced


def accept_old_groups(arguments: list[str]) -> list[str]:
    """Return a command line's arguments with the new name of each old group; warn of each."""
    found = []
    for argument in arguments:
        key = re.match(r"[+~]*([A-Za-z_]+)(?=[.=@/:]|$)", argument)
        new = GROUPS.get(key[1]) if key else None
        if key and new:
            log.warning(hint("group", key[1], new))
            argument = argument[: key.start(1)] + new + argument[key.end(1) :]
        found.append(argument)
    return found
