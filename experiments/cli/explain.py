"""Sentences for errors of other packages, such as Hydra and the launchers."""

import re
from collections.abc import Iterator, Sequence

from omegaconf import DictConfig, OmegaConf

from spear.experiments.config.experiments import (
    current_name,
    experiment_name,
    experiments,
    own_keys,
    unknown_experiment,
)
from spear.experiments.config.moved import GROUPS, hint
from spear.experiments.config.schema import CONF, JobSchema
from spear.experiments.sweep.monitor import sweep_runs_here
from spear.spelling import did_you_mean

LONGEST_REASON = 300

OPTUNA = "hydra/sweeper=optuna"
"""Choice that exists only if its plugin is installed; launchers have files of their own."""

FEW = 20
"""Most choices of a group that a sentence lists; of more it names the closest."""

CLOSE = 3
"""Names that it then offers."""


def explain(error: Exception, arguments: Sequence[str] = ()) -> str:
    """Return a sentence for an error in the composition of the configuration.

    Args:
        error: of Hydra or OmegaConf.
        arguments: the command line's.
    """
    text = "\n".join(str(each) for each in _chain(error))
    several = re.search(r"Ambiguous value for argument '(.+)'\n", text)
    if several:
        return (
            f"{several.group(1)!r} gives several values; write `spear -m {several.group(1)}` for a "
            "job with each, or quote a list that is one value, as in 'key=[a,b]'."
        )
    unparsed = re.search(
        r"(?:Error parsing override|no viable alternative at|mismatched input|token recognition).*",
        text,
    )
    if unparsed:
        spaced = re.search(r"[\w./@~+]+(?: =|= ) ?\S+", " ".join(arguments))
        if spaced:
            tight = re.sub(r" *= *", "=", spaced.group(0))
            return f"{spaced.group(0)!r} cannot be read; write it without spaces, {tight}."
        said = re.search(r"[\w./@~+]+=[^\n']*", text)
        which = repr(said.group(0).strip()) if said else "an argument"
        return (
            f"{which} cannot be read; expected KEY=VALUE, with a value that has spaces, commas or "
            "brackets in quotes for Hydra and for the shell, such as 'key=\"a, b\"'."
        )
    unknown = re.search(r"Could not override '([^']+)'|Key '([^']+)' (?:is )?not in", text)
    if unknown:
        key = unknown.group(1) or unknown.group(2)
        return _swept_key(key, arguments) or _unknown_key(key)
    typed = re.search(r"Value '([^']*)' .*could not be converted to (\w+)", text)
    full = re.search(r"full_key: (\S+)", text)
    if typed and full:
        return f"key {full.group(1)!r} is {typed.group(1)!r}; expected {typed.group(2).lower()}."
    experiment = re.search(r"Could not find 'experiment/([^']+)'", text)
    if experiment:
        return unknown_experiment(experiment.group(1))
    choice = re.search(
        r"Could not find '([^']+)/([^/']+)'\s+Available options in [^:]*:(.*)", text, re.S
    )
    if choice:
        group, name, rest = choice.groups()
        options = rest.split("Config search path")[0].split()
        if f"{group}={name}" == OPTUNA:
            return _not_installed(OPTUNA, "hydra-optuna-sweeper", "search")
        return f"{group}={name} does not exist; {_choices(name, options)}."
    if "does not support sweep type" in text:
        return (
            "an interval has no values to take in turn; list them, as in KEY=1,2, or search it by "
            "a sweeper such as hydra/sweeper=optuna."
        )
    return " ".join(text.split())


def _choices(name: str, options: list[str]) -> str:
    """Return the end of a sentence about a choice that does not exist."""
    if len(options) <= FEW:
        return did_you_mean(name, options, f"choose one of {', '.join(options)}")
    return did_you_mean(name, options, f"`spear --help` lists all {len(options)}", most=CLOSE)


def explain_other(error: Exception) -> str:
    """Return a sentence for an error of `spear run` outside a job, or "" for a bug in a job."""
    if isinstance(error, OSError) and error.filename:
        return (
            f"{error.filename} cannot be used ({error.strerror}); set output_root to a "
            "folder that can be written."
        )
    if "Unknown plugin class" in str(error):
        return _missing_launcher(str(error))
    if sweep_runs_here():
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST_REASON]
        return f"the launcher gave up ({reason}); run the same command again to go on."
    return ""


def _missing_launcher(text: str) -> str:
    """Return a sentence for a launcher whose plugin is not installed, or nothing."""
    plugin = re.search(r"hydra_plugins\.hydra_(\w+)_launcher\.", text)
    if not plugin:
        return " ".join(text.split())
    extra = {"submitit": "slurm"}.get(plugin.group(1), plugin.group(1))
    return _not_installed("the launcher", f"hydra-{plugin.group(1)}-launcher", extra)


def _not_installed(what: str, package: str, extra: str) -> str:
    """Return a sentence for a plugin that an extra of this package installs."""
    return (
        f"{what} needs the package {package}, which is not installed; run "
        f"`pip install 'spear-suite[{extra}]'`, or in a checkout `pip install '.[{extra}]'`."
    )


def _swept_key(key: str, arguments: Sequence[str]) -> str:
    """Return a sentence for a key that only the experiment's own sweep names, or nothing."""
    given = dict(each.lstrip("+").split("=", 1) for each in arguments if "=" in each)
    experiment = experiments().get(current_name(experiment_name(given.get("experiment"))))
    if experiment is None or key in given:
        return ""
    if f"hydra.sweeper.params.{key}" not in own_keys(experiment.choice):
        return ""
    group = key.partition(".")[0]
    chosen = f"{group}={given[group]}" if group in given else f"this {group}"
    return (
        f"experiment={experiment.name} sweeps {key}, a key that {chosen} does not have; leave "
        f"{group} to the experiment, or add hydra.mode=RUN for one job without the sweep."
    )


def _unknown_key(key: str) -> str:
    group = key.lstrip("/").split("@")[0]
    if group in GROUPS:
        return hint("group", group, GROUPS[group], "; rename it where it is set")
    known = _nested_keys(group.split(".")[0]) if "." in group else {}
    if "/" in group:
        known = _nested_groups(group.split("/")[0])
    if having := known.get(group):
        room = re.split(r"[./]", group)[0]
        have = "has" if len(having) == 1 else "have"
        return f"key {key!r} does not exist with this {room}; {', '.join(having)} {have} it."
    then = "see `spear --help`, or `spear --cfg job` for all keys"
    end = did_you_mean(group, [*JobSchema.__annotations__, *known], then, cutoff=0.75)
    return f"key {key!r} does not exist; {end}."


def _nested_keys(group: str) -> dict[str, list[str]]:
    """Return each key below a group, in full -> the choices with a file that sets it."""
    found: dict[str, list[str]] = {}
    for path in sorted((CONF / group).rglob("*.yaml")):
        folder = path.parent.relative_to(CONF).as_posix()
        file = OmegaConf.load(path)
        assert isinstance(file, DictConfig)
        for key in _keys(file, folder.replace("/", ".")):
            found.setdefault(key, []).append(f"{folder}={path.stem}")
    return found


def _keys(node: DictConfig, path: str) -> Iterator[str]:
    """Yield the keys of a node and of those inside it, in full."""
    for key, value in node.items_ex(resolve=False):
        yield f"{path}.{key!s}"
        if isinstance(value, DictConfig):
            yield from _keys(value, f"{path}.{key!s}")


def _nested_groups(group: str) -> dict[str, list[str]]:
    """Return each group that files of a group choose from, in full -> the choices of these files.

    A choice is written as on the command line, such as `attack=spear`.
    """
    found: dict[str, list[str]] = {}
    for path in sorted((CONF / group).glob("*.yaml")):
        file = OmegaConf.load(path)
        assert isinstance(file, DictConfig)
        for each in file.get("defaults", []):
            name = str(*each) if isinstance(each, DictConfig) else ""
            if name and (CONF / group / name).is_dir():
                found.setdefault(f"{group}/{name}", []).append(f"{group}={path.stem}")
    return found


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
