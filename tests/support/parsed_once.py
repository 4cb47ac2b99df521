"""What Hydra reads is parsed once in a process: tests compose some hundred configurations.

Only texts are remembered, so that a changed file or argument is parsed anew. The composition itself
is Hydra's; but whether a command line means a sweep, for which Hydra composes everything once more,
is remembered by the arguments that decide it.
"""

import copy
import functools
from collections.abc import Callable
from typing import Any

import yaml
from hydra._internal.hydra import Hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import _utils, base, grammar_parser


def install() -> None:
    """Put the remembering functions in place of OmegaConf's and Hydra's, for this process."""
    parse = functools.lru_cache(maxsize=None)(grammar_parser.parse)
    _utils.parse = base.parse = parse  # visitors only read the tree
    yaml.load = remembering(yaml.load)
    OverridesParser.parse_rule = functools.wraps(OverridesParser.parse_rule)(
        rules_of(OverridesParser.parse_rule)
    )
    Hydra.get_mode = functools.wraps(Hydra.get_mode)(modes_of(Hydra.get_mode))


def remembering(load: Callable[..., Any]) -> Callable[..., Any]:
    """Return `yaml.load` that parses each text of a configuration once and hands out copies."""
    known: dict[str, Any] = {}

    @functools.wraps(load)
    def read(stream: Any, Loader: Any) -> Any:
        if Loader.__name__ != "OmegaConfLoader":
            return load(stream, Loader)
        text = stream if isinstance(stream, str) else stream.read()
        if text not in known:
            if text is not stream:
                stream.seek(0)  # an error shows the name of the file
            known[text] = load(stream, Loader)
        return copy.deepcopy(known[text])

    return read


def rules_of(parse: Callable[..., Any]) -> Callable[..., Any]:
    """Return `OverridesParser.parse_rule` that parses each argument once and hands out copies."""
    known: dict[tuple[str, str], Any] = {}

    def read(self: OverridesParser, s: str, rule_name: str) -> Any:
        key = s, rule_name
        if "shuffle" in s:  # drawn anew each time
            return parse(self, s, rule_name)
        if key not in known:
            known[key] = parse(self, s, rule_name)
        return copy.deepcopy(known[key])

    return read


def modes_of(get_mode: Callable[..., Any]) -> Callable[..., Any]:
    """Return `Hydra.get_mode` that composes once for each experiment and each setting of Hydra's.

    Arguments that are wrong are refused when the job's configuration is composed.
    """
    known: dict[tuple[object, ...], Any] = {}

    def mode(self: Hydra, config_name: str | None, overrides: list[str]) -> Any:
        places = self.config_loader.get_search_path().get_path()
        if any(each.provider == "command-line" for each in places):  # its files may change
            return get_mode(self, config_name, overrides)
        deciding = [each for each in overrides if "experiment" in each or "hydra" in each]
        key = config_name, str(places), *deciding
        if key in known:
            return known[key]
        found = get_mode(self, config_name, overrides)
        if found is not None or not deciding:  # none: refused, or nothing says what it is
            known[key] = found
        return found

    return mode
