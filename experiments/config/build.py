"""Builds objects from the configuration; checks each key and type against the signature."""

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import NoneType
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from spear.errors import ConfigError, SpearError
from spear.experiments.config.targets import check_targets
from spear.settings import check_device
from spear.spelling import did_you_mean

SCALARS = (int, float, bool, str)


class UnknownKey(ConfigError):
    """A key that the class of its node does not take.

    Args:
        key: full key.
        path: key of the node.
        allowed: keys that the node takes.
    """

    def __init__(self, key: str, path: str, allowed: list[str]) -> None:
        name, then = key.removeprefix(f"{path}."), f"the keys of {path} are {', '.join(allowed)}"
        end = did_you_mean(name, allowed, then, called=lambda each: f"{path}.{each}")
        super().__init__(f"key {key!r} does not exist; {end}.")
        self.key = key
        self.path = path
        self.allowed = allowed

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a launcher's worker send the error to the sweep."""
        return type(self), (self.key, self.path, self.allowed)


def build(config: DictConfig, group: str, **runtime: object) -> Any:
    """Check and instantiate `config[group]`.

    Args:
        config: the whole job's configuration.
        group: name of the group, such as `attack`.
        runtime: further arguments of the target that only the running job knows.

    Raises:
        ConfigError: a key that the target does not take, or a value of the wrong type.
    """
    node = config[group]
    check(node, group, set(runtime))
    return create(node, group, **runtime)


def create(node: DictConfig, path: str, **runtime: object) -> Any:
    """Instantiate a checked node, the nodes inside it first.

    If a class refuses a parameter, the message gets the parameter's full key.

    Args:
        node: a node with a `_target_`.
        path: its key.
        runtime: further arguments of the target.

    Raises:
        SpearError: the class refuses an argument. If its message begins with a parameter's name,
            this one begins with the full key.
        InstantiationException: the class raises any other error.
    """
    target = get_object(node["_target_"])
    hints = _hints(target)
    arguments = {
        str(key): _created(_as_text(value, hints.get(str(key), Any)), f"{path}.{key!s}")
        for key, value in node.items_ex(resolve=True)
        if key != "_target_"
    }
    try:
        with full_keys(path, arguments):
            return target(**arguments, **runtime)
    except SpearError:
        raise
    except Exception as error:
        said = f"Error in call to target '{node['_target_']}':\n{error!r}\nfull_key: {path}"
        raise InstantiationException(said) from error


@contextmanager
def full_keys(path: str, parameters: Collection[str]) -> Iterator[None]:
    """Within the context, prefix a message that begins with a parameter's name by its full key.

    Args:
        path: key of the node that has the parameters.
        parameters: their names.

    Raises:
        SpearError: the one raised in the context, with its message prefixed.
    """
    try:
        yield
    except SpearError as error:
        first = re.match(r"\w+", str(error))
        if first and first[0] in parameters:
            raise type(error)(f"{path}.{error}") from error
        raise


def _created(value: Any, path: str) -> Any:
    """What a class gets for a value of the configuration: objects, plain lists and mappings."""
    if isinstance(value, DictConfig) and "_target_" in value:
        return create(value, path)
    if isinstance(value, DictConfig):
        each = value.items_ex(resolve=True)
        return {key: _created(inner, f"{path}.{key!s}") for key, inner in each}
    if isinstance(value, ListConfig):
        return [_created(inner, f"{path}.{i}") for i, inner in enumerate(value)]
    return value


def check(node: DictConfig, path: str, known: set[str] | None = None) -> None:
    """Check a `_target_` node, and those inside it, against the signatures of their targets.

    No `_target_` is imported until all of them are known to be allowed (`check_targets`).
    """
    check_targets(node, path)
    check_arguments(node, path, known)


def check_arguments(node: DictConfig, path: str, known: set[str] | None = None) -> None:
    """Check a node and those inside it; their targets must be allowed (`check_targets`).

    Args:
        node: a node with a `_target_`.
        path: its key, for messages.
        known: arguments that the running job gives, not the configuration.

    Raises:
        ConfigError: a key that a target does not take, or a value of the wrong type.
    """
    target = get_object(node["_target_"])
    parameters = inspect.signature(target).parameters
    hints = _hints(target)
    allowed = sorted(set(parameters) - (known or set()))
    for key, value in node.items_ex(resolve=True):
        if key == "_target_":
            continue
        full = f"{path}.{key!s}"
        if key not in allowed:
            raise UnknownKey(full, path, allowed)
        hint = hints.get(str(key), Any)
        if isinstance(value, DictConfig) and "_target_" not in value and _is_mapping(hint):
            check_each(value, full)
        elif isinstance(value, DictConfig):
            _check_node(value, full)
        else:
            _check_type(value, hint, full)


def check_each(entries: object, path: str) -> None:
    """Check each entry of a mapping from names to nodes, all of whose targets are allowed.

    Raises:
        ConfigError: `entries` is not a mapping, or `check_arguments` refuses an entry.
    """
    if not isinstance(entries, DictConfig):
        raise ConfigError(
            f"key {path!r} is {entries!r}; expected a mapping from names to classes, "
            f"{path}.NAME._target_=package.Class."
        )
    for name in entries:
        _check_node(entries[name], f"{path}.{name!s}")


def _check_node(value: object, path: str) -> None:
    if not isinstance(value, DictConfig) or "_target_" not in value:
        raise ConfigError(
            f"key {path!r} has no _target_; set all of it, with the _target_ of its class."
        )
    check_arguments(value, path)


def _hints(target: Any) -> dict[str, Any]:
    """Return the annotated types of a target's arguments."""
    return typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)


def _as_text(value: Any, hint: Any) -> Any:
    """Return a number as text where only text is expected, such as a folder of the name 2026."""
    only_text = [each for each in _options(hint) if each in SCALARS] == [str]
    return str(value) if only_text and isinstance(value, int | float) else value


def _is_mapping(hint: Any) -> bool:
    """Return whether it is for objects by name."""
    return any(typing.get_origin(option) is Mapping for option in _options(hint))


def _is_list(hint: Any) -> bool:
    """Return whether it is for lists alone."""
    kinds = [typing.get_origin(each) for each in _options(hint) if each is not NoneType]
    return all(each in (Sequence, list, tuple) for each in kinds) and bool(kinds)


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def _check_type(value: object, hint: Any, path: str) -> None:
    """Let OmegaConf convert the value to the annotated scalar type, as for a structured config."""
    options = _options(hint)
    scalars = [option for option in options if option in SCALARS]
    if _is_list(hint) and not isinstance(value, ListConfig | NoneType):
        raise ConfigError(f"key {path!r} is {value!r}; expected a list, such as [{value}].")
    if not scalars or (value is None and type(None) in options):
        return
    expected = f"{scalars[0].__name__}{' or null' if type(None) in options else ''}"
    refusal = ConfigError(f"key {path!r} is {value!r}; expected {expected}.")
    if isinstance(value, str) and str not in scalars:  # "1", which OmegaConf would take for 1
        raise refusal
    schema = dataclasses.make_dataclass("Schema", [("value", scalars[0])])
    try:
        OmegaConf.structured(schema(value))
    except OmegaConfBaseException as error:
        raise refusal from error


def resolve_device(name: str) -> str:
    """Return the device of that name; `auto` is cuda if the machine has one, else cpu.

    Raises:
        ConfigError: this machine has no such device.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    check_device(name)
    return name
