"""Settings of a recorded job beside those of its prepared experiment.

A job shows what its experiment is about only if its settings are those of the experiment's file, or
of a command that the file's header gives. Some differences change nothing of that: `HARMLESS`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from spear.experiments.config.composed import Composed, composed, flat, same
from spear.experiments.config.experiments import current_name, experiments
from spear.experiments.config.moved import GROUPS, replace_old_targets
from spear.experiments.config.spec import PLACES

HARMLESS = (
    "n_batches", "first_batch", "seed", "device", "threads", "tracking", "force", "data_root",
    "output_root", "name", "save", "threat_model", "risk", "metrics", "objective", "dataset.root",
    "dataset.folder",
    "attack.device", "attack.time_limit", "attack.max_starts", "attack.max_submatrices",
)  # fmt: skip
"""Keys, with all below them, that may differ: which batches there are, and how many; the machine
and its folders; what is recorded besides; and when an attack gives up, which counts as a failure. A
folder of images may differ because ImageNet itself cannot be handed on; tables name it."""

MOST_SHOWN = 5
"""Differences that a sentence lists."""


@dataclass(frozen=True)
class Comparison:
    """Comparison of a job's settings with those of its experiment.

    Attributes:
        differences: each in words; empty if the job is one of the experiment's own.
        n_batches: batches that a job of the experiment has; 0 if that is not known.
    """

    differences: tuple[str, ...]
    n_batches: int

    def __str__(self) -> str:
        more = len(self.differences) - MOST_SHOWN
        shown = ", ".join(self.differences[:MOST_SHOWN])
        return f"{shown} and {more} more" if more > 0 else shown


@dataclass(frozen=True)
class _Way:
    """A way to run an experiment: by its name alone, or by a command of its header.

    Attributes:
        fixed: overrides that all of its jobs share, the experiment's name first.
        groups: swept group of `conf/` -> names of files.
        keys: swept key -> values.
    """

    fixed: tuple[str, ...]
    groups: Mapping[str, list[str]]
    keys: Mapping[str, list[Any]]


def compared(experiment: str, config: dict[str, Any], summary: dict[str, Any]) -> Comparison:
    """Compare a recorded job with its experiment, as the file in `conf/experiment/` is today.

    A key that the record lacks is older than the key, and does not count.

    Args:
        experiment: name of the experiment, the present or a former one; of one that has no file,
            nothing is known.
        config: recorded configuration, resolved.
        summary: recorded summary, which names the chosen files.
    """
    if current_name(experiment) not in experiments():
        return Comparison((), 0)
    node = OmegaConf.create({GROUPS.get(key, key): value for key, value in config.items()})
    replace_old_targets(node)
    recorded = dict(flat(OmegaConf.to_container(node)))
    found: list[Comparison] = []
    for choice, arguments in _commands(current_name(experiment)):
        found.append(_beside(_way(choice, arguments), recorded, summary))
        if not found[-1].differences:
            break
    return min(found, key=lambda each: len(each.differences))


def _commands(experiment: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return file and further arguments of the commands by which an experiment is run."""
    prepared = experiments()[experiment]
    commands = re.findall(rf"spear experiment={experiment} ((?:\S+=\S+ ?)+)", prepared.description)
    return [(prepared.choice, tuple(each.split())) for each in ["", *commands]]


@cache
def _way(choice: str, arguments: tuple[str, ...]) -> _Way:
    parser = OverridesParser.create()
    given = [each for each in arguments if not each.startswith("hydra.")]
    parsed = [parser.parse_override(each) for each in given]
    name = f"experiment={choice}"
    fixed = [line for line, each in zip(given, parsed, strict=True) if not each.is_sweep_override()]
    base = composed((name, *fixed))
    known = {each.get_key_element() for each in parsed}
    swept = [
        parser.parse_override(f"{key}={values}")
        for key, values in base.swept.items()
        if key not in known
    ]
    groups: dict[str, list[str]] = {}
    keys: dict[str, list[Any]] = {}
    for each in [*swept, *(each for each in parsed if each.is_sweep_override())]:
        key = str(each.get_key_element()).lstrip("+")
        texts = [*each.sweep_string_iterator()] if each.is_sweep_override() else [str(each.value())]
        if key in base.choices:
            groups[key] = texts
        else:
            keys[key] = [parser.parse_override(f"{key}={text}").value() for text in texts]
    return _Way((name, *fixed), groups, keys)


def _beside(way: _Way, recorded: dict[str, Any], summary: dict[str, Any]) -> Comparison:
    """Compare a job with the job of a way that made the same choices among what is swept."""
    chosen = {
        group: summary[group] if summary.get(group) in names else names[0]
        for group, names in way.groups.items()
    }
    base = composed(way.fixed)
    others = [f"{group}={name}" for group, name in chosen.items() if base.choices[group] != name]
    own = composed((*way.fixed, *others))
    differing = {
        key: (recorded[key], expected)
        for key, expected in _expected(own, recorded, way.keys).items()
        if not is_harmless(key) and not any(same(recorded[key], each) for each in expected)
    }
    differing |= {
        key: (value, [])
        for key, value in recorded.items()
        if not is_harmless(key) and not own.knows(key)
    }
    texts: dict[str, None] = {}
    for key, (value, expected) in differing.items():
        group = key.partition(".")[0]
        if group in own.choices and summary.get(group, own.choices[group]) != own.choices[group]:
            options = way.groups.get(group, [own.choices[group]])
            texts[f"{group}={summary[group]} instead of {_options(options)}"] = None
        else:
            instead = f" instead of {_options(expected)}" if expected else ""
            texts[f"{key}={_text(value)}{instead}"] = None
    return Comparison(tuple(texts), own.config.n_batches)


def _expected(
    own: Composed, recorded: dict[str, Any], swept: Mapping[str, list[Any]]
) -> dict[str, list[Any]]:
    """Return the values that each recorded key may have.

    A key that follows from others, such as the seed of the network, follows from theirs in the
    record: what is set differently counts once.
    """
    plain = {key: value for key, value in own.plain.items() if key in recorded}
    places = [each for each in PLACES if each in recorded]  # they follow from the environment
    changed = [key for key in plain if not same(recorded[key], plain[key])]
    resolved = own.resolved({key: recorded[key] for key in [*changed, *places]})
    follow = {key: [value] for key, value in resolved.items() if key in recorded}
    return follow | {key: swept.get(key, [value]) for key, value in plain.items()}


def is_harmless(key: str) -> bool:
    """Return whether jobs that differ in this key alone are compared."""
    return any(key == each or key.startswith(f"{each}.") for each in HARMLESS)


def _options(values: list[Any]) -> str:
    *others, last = map(_text, values)
    return f"{', '.join(others)} or {last}" if others else last


def _text(value: Any) -> str:
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )
