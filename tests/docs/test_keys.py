"""Configuration keys that the documentation and `spear --help` name exist, with those values."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from omegaconf import OmegaConf
from support.choices import CHOICES, at, composed, with_choice
from support.command import typed

from spear.experiments.config.experiments import experiments
from spear.experiments.config.schema import CONF, JobSchema
from spear.experiments.config.spec import GROUPS
from spear.networks.activations import ACTIVATIONS

ROOT = CONF.parent
KEYS = ROOT / "docs" / "configuration.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ASSIGNED = re.compile(r"(?<![\w./-])(\+{0,2})([a-z_][\w/]*(?:\.[A-Za-z_]\w*)*)=([^\s`(),;]*)")
DOTTED = re.compile(rf"(?<![\w./-])((?:{'|'.join((*GROUPS, 'hydra'))})(?:\.[a-z_]\w*)+)(?![\w.(])")
ELSEWHERE = re.compile(r"spear\.results|torch\.load|sparsity=None|'hydra\.searchpath=")
"""Arguments in Python that read like keys, and the example package, which has files of its own."""
IN_HELP = re.compile(r"  (\w+) .*\[(\w+)\]$")
"""Line of the help with a key and its default."""

SWEEPS = {"choice", "glob", "range", "shuffle", "sort"}
"""Functions of Hydra's grammar that stand in place of a name."""


def named_in(text: str) -> Iterator[tuple[bool, str, str]]:
    """Whether it may be new (`+`), the key, and its value or ""; of code, not of prose."""
    for plus, key, value in ASSIGNED.findall(text):
        yield bool(plus), key, value
    rest = ASSIGNED.sub(" ", text)
    for key in DOTTED.findall(rest):
        yield False, key, ""


def fault(text: str) -> str | None:
    """What is wrong with the keys in a piece of code, a table's row or a line of the help.

    The choices in it (`attack=geiping`) are those that its other keys need. A key of a group of
    which it chooses nothing may be of any choice.
    """
    found = list(named_in(text))
    chosen: dict[str, list[str]] = {}
    for _, key, value in found:
        if is_group(key):
            names = [each for each in value.split("|") if each and not each.isupper()]
            names = [each for each in names if each not in SWEEPS]
            wrong = [each for each in names if not is_choice(key, each)]
            if wrong:
                return f"{key} has no {wrong[0]}"
            chosen.setdefault(key, []).extend(names)
    for plus, key, _ in found:
        if not is_group(key) and not exists(key.split(".")[0] if plus else key, chosen):
            return f"{key} does not exist"
    return None


def is_group(key: str) -> bool:
    return key == "experiment" or (CONF / key).is_dir()


def is_choice(group: str, name: str) -> bool:
    if group == "experiment":
        return name in experiments()
    return (CONF / group / f"{name}.yaml").is_file()


def files(group: str) -> set[str]:
    return {path.stem for path in (CONF / group).glob("*.yaml")}


def exists(key: str, chosen: dict[str, list[str]]) -> bool:
    """Whether each choice of its group has the key; if none is made, whether any choice has it."""
    group = key.split(".")[0]
    if group not in GROUPS:
        return has(composed(), key)
    if chosen.get(group):
        return all(has(with_choice(group, each), key) for each in chosen[group])
    of_group = (with_choice(*each) for each in CHOICES if each[0] == group)
    return any(has(each, key) for each in itertools.chain([composed()], of_group))


def has(config: dict[str, Any], key: str) -> bool:
    try:
        at(config, key)
    except KeyError:
        return False
    return True


def pieces(page: str) -> Iterator[str]:
    """Lines of a page's shell blocks, rows of its tables, and code elsewhere, each by itself."""
    for block in re.findall(r"^```(?:sh|text)\n(.*?)^```", page, re.S | re.M):
        yield from block.splitlines()
    for line in re.sub(r"^```.*?^```", "", page, flags=re.S | re.M).splitlines():
        code = re.findall(r"`([^`]+)`", line)
        yield from [" ".join(code)] if line.startswith("| ") else code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_key_named_exists(page):
    named = [each for each in pieces(page.read_text()) if not ELSEWHERE.search(each)]
    found = {each: fault(each) for each in named}
    assert not {piece: wrong for piece, wrong in found.items() if wrong}


def test_keys_are_found_where_they_are_named():
    named = {key for each in pieces(KEYS.read_text()) for _, key, _ in named_in(each)}
    assert len(named) >= 40
    assert named >= {"network.width", "attack.iterations", "data_root", "network.pretrained"}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("spear network.width=400 attack.layer=2", None),
        ("spear network.breadth=400", "network.breadth does not exist"),
        ("attack=geiping attack.regularisers.total_variation.weight", None),
        ("attack=dlg attack.regularisers.total_variation.weight", "attack.regularisers.total_"),
        ("attack.regularisers.total_variation.weight", None),
        ("defense=dpsgd|clipping defense.noise_std=SIGMA", "defense.noise_std does not exist"),
        ("attack=spear attack/sampler=information_set|qr", "attack/sampler has no qr"),
        ("experiment=table99", "experiment has no table99"),
        ("experiment=NAME batch_size=2 +metrics.NAME._target_=package.Class", None),
        ("+metric.NAME._target_=package.Class", "metric.NAME._target_ does not exist"),
        ("batchsize=4", "batchsize does not exist"),
    ],
)
def test_a_key_that_does_not_exist_is_found(text, wrong):
    found = fault(text)
    assert (found or "").startswith(wrong) if wrong else found is None


# The tables of keys.


def rows() -> list[tuple[list[str], str]]:
    """The code in the first column of each row, and the text of the second."""
    found = re.findall(r"^\| key \| .*\n\|.*\n((?:\|.*\n)+)", KEYS.read_text(), re.M)
    assert len(found) > 5
    cells = [line.strip("| ").split(" | ", 1) for line in "".join(found).splitlines()]
    return [(re.findall(r"`([^`]+)`", first), second) for first, second in cells]


def test_the_first_column_has_keys_and_choices():
    assert len(rows()) > 25
    for named, _ in rows():
        group = named[0].partition("=")[0]
        for each in named:
            if "=" not in each and each != "--force":
                known = is_group(each) or exists(each, {}) or is_choice(group, each)
                assert known, each


def test_a_value_in_brackets_is_the_default():
    found = {}
    for named, text in rows():
        for value in re.findall(r"\(`?(\d+|true|false|null)`?[;)]", text):
            defaults = {key: at(composed(), key) for key in named}
            words = {key: str(each).lower() for key, each in defaults.items()}
            assert value in words.values(), (named, value)
            found.update({key: value for key, word in words.items() if word == value})
    assert found == {"first_batch": "0", "threads": "1", "dataset.normalize": "true"}


def test_what_may_be_chosen_is_all_that_there_is():
    of_key = {named[0]: re.findall(r"`([^`]+)`", text) for named, text in rows()}
    for group in ("dataset", "tracking", "hydra/launcher"):
        assert set(of_key[group]) == files(group)
    assert of_key["network.activation"] == [*ACTIVATIONS, "_target_"]
    for key in ("device", "lpips_net"):
        assert of_key[key][0] == at(composed(), key)


def test_a_shortened_schedule_has_the_iterations_that_are_told():
    (told,) = re.findall(r"`(\w+)`: shortened to ([\d,]+) iterations", KEYS.read_text())
    attack = with_choice("attack", told[0])["attack"]
    assert attack["iterations"] == int(told[1].replace(",", ""))


# The help.


def keys_of_help(said: str) -> list[str]:
    found = re.search(r"^Keys\n(.*?)^Choices\n", said, re.S | re.M)
    assert found
    return [line for line in found[1].splitlines() if line.strip()]


def test_the_help_names_every_key_with_its_default(monkeypatch, capfd):
    monkeypatch.delenv("SPEAR_DATA", raising=False)
    said = typed(monkeypatch, capfd, "spear", "--help").out
    lines = keys_of_help(said)
    wrong = {
        line: fault(line) for line in [*lines, *said.partition("\nExamples\n")[2].splitlines()]
    }
    assert not {line: each for line, each in wrong.items() if each}
    first = [found[1] for line in lines if (found := re.match(r"  (\w+) ", line))]
    unnamed = {"lpips_net", "force", "objective"}
    assert set(first) == set(JobSchema.__annotations__) - unnamed
    values = {found[1]: found[2] for line in lines if (found := IN_HELP.match(line))}
    assert len(values) == 8
    config = OmegaConf.load(CONF / "config.yaml")
    assert values == {key: str(config[key]) for key in values}
