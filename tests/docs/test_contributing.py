"""The guides for contributors name what exists and show code that runs elsewhere in the tests."""

import re

import pytest

from spear.experiments.config.schema import CONF

ROOT = CONF.parent
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
EXTENDING = (ROOT / "docs" / "extending.md").read_text()
EXAMPLE = ROOT / "examples" / "own_attack"
SHOWN = [path.read_text() for path in sorted(EXAMPLE.rglob("*")) if path.suffix in {".py", ".yaml"}]
ROWS = [line.strip("| ").split(" | ") for line in GUIDE.splitlines() if line.startswith("| ")]


def paths(text: str) -> list[str]:
    """What stands in code style and is a path."""
    return re.findall(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:py|md|yaml|yml|toml|lock))`", text)


@pytest.mark.parametrize("text", [GUIDE, EXTENDING], ids=["contributing", "extending"])
def test_every_path_named_exists(text):
    placeholders = {"__init__.py", "conf/attack/NAME.yaml"}
    results = {"batches.csv", "summary.json"}
    named = set(paths(text)) - placeholders - results
    assert len(named) > 8
    places = (ROOT, EXAMPLE, CONF)
    assert not [each for each in named if not any((place / each).exists() for place in places)]


def test_the_table_says_where_to_go_and_what_to_copy():
    header, _, *rows = ROWS
    assert header == ["to change or add", "go to", "copy the test"]
    assert len(rows) >= 20
    assert len({row[0] for row in rows}) == len(rows)
    for subject, place, test in rows:
        assert subject
        assert paths(place), subject
        tests = [each for each in paths(test) if each.startswith("tests/")]
        assert tests, subject
        assert all((ROOT / each).is_file() for each in tests)


def test_every_group_of_the_configuration_is_in_the_table():
    groups = {path.name for path in CONF.iterdir() if path.is_dir()} - {"hydra", "tracking"}
    table = "\n".join(" | ".join(row) for row in ROWS)
    assert not [each for each in groups if f"`conf/{each}/" not in table]


def test_every_make_target_named_exists():
    makefile = (ROOT / "Makefile").read_text()
    named = re.findall(r"make (?:\w+=\S+ )?([a-z][\w-]*)", GUIDE)
    assert {"install", "check", "test"} <= set(named)
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.M), target


@pytest.mark.parametrize("language", ["python", "yaml"])
def test_the_page_shows_the_example_as_it_is(language):
    blocks = re.findall(rf"```{language}\n(.*?)```", EXTENDING, re.S)
    assert len(blocks) >= 4
    for block in blocks:
        if "spear.invert(" not in block:
            assert any(block in text for text in SHOWN), block


def test_the_page_runs_the_example_as_its_own_readme_does():
    readme = (EXAMPLE / "README.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", EXTENDING, re.S)
    assert blocks
    assert all(block in readme for block in blocks)
