"""A value in `conf/` is the default of its class, or its line says which default it replaces.

The values stand in YAML because Hydra refuses to override a key that is absent, and because users
read the keys there; the signature serves those who use the class from Python. A line whose value
differs on purpose ends in a comment such as `(class: null)`. A file without a `_target_` of its own
is a variant of another file, which it is meant to differ from.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

import pytest
import yaml
from omegaconf import MISSING as OMITTED
from omegaconf import OmegaConf
from support.signatures import LEFT_OUT, REQUIRED, defaults, missing

from spear.experiments.cli.train_generator import GeneratorSchema
from spear.experiments.config.schema import CONF, JobSchema
from spear.experiments.config.spec import JobSpec

FILES = [path.relative_to(CONF).as_posix() for path in sorted(CONF.rglob("*.yaml"))]
OWN = [name for name in FILES if not name.startswith("hydra/launcher/")]
"""Not the launchers: Hydra checks these against the schema of their plugin."""
STATED = re.compile(r"\(class: ([^()]*)\)")
OF_THE_JOB = {"device": "a class computes on the CPU unless told otherwise, a job where it can"}
"""Keys of the job whose default is not that of the classes to which it is passed, and why."""


@dataclass(frozen=True)
class Line:
    """What a file says about one argument of a class."""

    target: str
    argument: str
    value: Any
    number: int
    comment: str


def lines(text: str) -> Iterator[Line]:
    """Every argument that stands beside a `_target_`, anywhere in a file."""
    root = yaml.compose(text)
    if root is not None:
        yield from _lines(root, OmegaConf.to_container(OmegaConf.create(text)), text.splitlines())


def _lines(node: yaml.Node, value: Any, text: list[str]) -> Iterator[Line]:
    if isinstance(node, yaml.SequenceNode):
        for inner, each in zip(node.value, value, strict=True):
            yield from _lines(inner, each, text)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, inner in node.value:
        mine = value[key.value]
        if "_target_" in value and key.value != "_target_":
            end = inner.end_mark
            block = isinstance(inner, yaml.CollectionNode) and not inner.flow_style
            rest = "" if block else text[end.line][end.column :]
            yield Line(value["_target_"], key.value, mine, end.line + 1, rest)
        yield from _lines(inner, mine, text)


def faults(text: str, job: dict[str, Any]) -> list[str]:
    """What is wrong with the values and comments of a file.

    Args:
        text: of the file.
        job: the keys of a job with their values, for arguments such as `${seed}`.
    """
    found, checked = [], 0
    for line in lines(text):
        checked += bool(STATED.search(line.comment))
        fault = _fault(line, job)
        if fault:
            found.append(f"line {line.number}, {line.argument}: {fault}")
    if len(STATED.findall(text)) > checked:
        found.append("a default is stated where no argument of a class stands")
    return found


def _fault(line: Line, job: dict[str, Any]) -> str | None:
    default = defaults(line.target).get(line.argument, REQUIRED)
    said = STATED.search(line.comment)
    stated = OmegaConf.create(f"value: {said[1]}").value if said else None
    if said and (default is REQUIRED or not same(stated, default)):
        return f"the comment states {stated!r}, the class has {default!r}"
    value = _passed(line.value, job)
    if default is REQUIRED or isinstance(value, dict) or value is UNKNOWN:
        return None
    if same(value, default):
        return "the comment states a default that is the value itself" if said else None
    return None if said else f"{value!r} instead of {default!r}, without a comment (class: ...)"


UNKNOWN = object()


def _passed(value: Any, job: dict[str, Any]) -> Any:
    """The value of an argument; `UNKNOWN` if another part of the configuration decides it."""
    if not isinstance(value, str) or "${" not in value:
        return value
    key = re.fullmatch(r"\$\{(\w+)\}", value)
    return job[key[1]] if key and key[1] in job and key[1] not in OF_THE_JOB else UNKNOWN


def same(value: Any, default: Any) -> bool:
    """Equal, where 1 is 1.0 but not true."""
    if isinstance(value, list) and isinstance(default, list):
        return len(value) == len(default) and all(map(same, value, default))
    return isinstance(value, bool) is isinstance(default, bool) and bool(value == default)


@functools.cache
def keys_of(name: str) -> dict[str, Any]:
    """The keys of a job that a program's file has, with their values unless they are groups."""
    loaded = OmegaConf.load(CONF / name)
    keys = [key for key in loaded if key in JobSchema.__annotations__]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SPEAR_DATA", raising=False)
        return {str(key): loaded[key] for key in keys if not OmegaConf.is_config(loaded[key])}


@pytest.fixture
def job():
    return keys_of("config.yaml")


@pytest.mark.parametrize("name", OWN)
def test_values_are_the_defaults_of_their_class_or_say_so(name, job):
    assert not faults((CONF / name).read_text(), job)


def test_a_key_has_its_default_in_yaml_alone(job):
    """Neither the schemas nor the specification, which has every value of a job, repeat it."""
    own = {"objective"}  # which only a search sets
    for schema in (JobSchema, GeneratorSchema):
        given = {each.name for each in fields(schema) if each.default != OMITTED}
        assert given <= own
    assert all(each.default is MISSING for each in fields(JobSpec))


def test_programs_agree_about_the_keys_that_they_share(job):
    generator = keys_of("generator.yaml")
    assert generator.keys() == {"seed", "threads", "data_root", "output_root"}
    assert generator.items() <= job.items()


def test_the_files_left_out_name_classes_of_others():
    for name in set(FILES) - set(OWN):
        targets = {line.target for line in lines((CONF / name).read_text())}
        assert targets
        assert all(target.startswith("hydra_plugins.") for target in targets), name


def test_the_generator_and_its_training_have_every_argument():
    config = OmegaConf.to_container(OmegaConf.load(CONF / "generator.yaml"))
    assert not missing(config["generator"], given={"shape"})
    assert not missing(config["training"])


def test_every_argument_that_may_be_left_out_is_so_somewhere():
    found = set()
    for name in OWN:
        found |= missing(OmegaConf.to_container(OmegaConf.load(CONF / name)))
    assert set(LEFT_OUT) <= found


# The test itself, on files and classes of its own.


@dataclass
class Inner:
    rate: float = 0.1


class Outer:
    def __init__(
        self,
        needed: int,
        inner: Inner | None = None,
        limit: float | None = None,
        steps: Sequence[int] = (1, 2),
        flip: bool = True,
        seed: int = 0,
    ) -> None:
        """Take everything and do nothing."""


@dataclass
class WithFields:
    powers: list[float] = field(default_factory=lambda: [1.0, 0.5])


HERE = {each.__name__: each for each in (Inner, Outer, WithFields)}
JOB = {"seed": 0, "device": "auto", "size": 3}


@pytest.fixture
def own_classes(monkeypatch):
    monkeypatch.setattr("support.signatures.get_object", HERE.__getitem__)


@pytest.mark.parametrize(
    "text",
    [
        "_target_: Outer\nneeded: 5 # anything\nlimit: null\nsteps: [1, 2]\nflip: true",
        "_target_: Outer\nlimit: 60 # seconds (class: null)",
        "_target_: Outer\nsteps: [] # none (class: [1, 2])",
        "_target_: Outer\nseed: ${seed}\nlimit: ${other.limit}\nflip: ${device}",
        "a:\n  - _target_: Outer\n    inner:\n      _target_: Inner\n      rate: 1 # (class: 0.1)",
        "parts:\n  first:\n    _target_: Inner\n    rate: 1.0e-1",
        "_target_: WithFields\npowers: [1, 0.5]",
        "limit: 5 # a variant of another file",
    ],
)
def test_right_files_pass(text, own_classes):
    assert faults(text, JOB) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("_target_: Outer\nlimit: 60 # seconds", "line 2, limit: 60 instead of None, without"),
        ("_target_: Outer\nlimit: 60 # (class: 50)", "the comment states 50, the class has None"),
        ("_target_: Outer\nlimit: null # (class: null)", "that is the value itself"),
        ("_target_: Outer\nneeded: 5 # (class: 4)", "the comment states 4, the class has"),
        ("_target_: Outer\nflip: 1", "line 2, flip: 1 instead of True, without"),
        ("_target_: Outer\nsteps: [1]", "[1] instead of [1, 2], without"),
        ("_target_: Outer\nseed: ${size}", "3 instead of 0, without"),
        ("_target_: Outer\nlimit: ${other.limit} # (class: 2)", "states 2, the class has None"),
        (
            "_target_: Outer\ninner:\n  _target_: Inner\n  rate: 2.0 # fast",
            "line 4, rate: 2.0 instead of 0.1, without",
        ),
        ("_target_: WithFields\npowers: [2.0]", "[2.0] instead of [1.0, 0.5], without"),
        ("limit: 5 # (class: null)", "stated where no argument of a class stands"),
        ("# (class: 5)\n_target_: Outer", "stated where no argument of a class stands"),
    ],
)
def test_every_fault_is_found(text, fault, own_classes):
    (found,) = faults(text, JOB)
    assert fault in found


def test_arguments_left_out_are_found_in_nodes_within_nodes(own_classes):
    node = {
        "_target_": "Outer",
        "inner": {"_target_": "Inner"},
        "limit": 1,
        "flip": True,
        "seed": 0,
    }
    assert missing(node, given={"needed", "rate"}) == {("Outer", "steps"), ("Inner", "rate")}
