"""The key of a result: words do not enter it, code does, and so do the modules of others."""

import ast
import gc
import shutil
import sys
from pathlib import Path

import pytest

from spear.experiments.job import sources as module_of_sources
from spear.experiments.job.key import _foreign_code
from spear.experiments.job.sources import (
    APART,
    COMPUTING,
    SOURCES,
    code_hash,
    fingerprint,
    sources,
)

CODE = '''
"""A module."""

RADIUS = 0.3
"""In pixels."""


class Attack:
    """An attack."""

    def __call__(self, batch, /, *, seed=1):
        """Attack it."""
        # from the top
        return [batch + each for each in (seed, RADIUS, "text")] or None
'''


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""A module."""', '"""A module that\n\nis reworded."""'),
        ('"""A module."""', ""),
        ('"""In pixels."""', '"""Radius of the neighbourhood, in pixels."""'),
        ('"""An attack."""', '"""What attacks."""'),
        ('        """Attack it."""\n', ""),
        ("# from the top", "# from the bottom"),
        ("(seed, RADIUS, ", "(\n            seed,\n            RADIUS,\n            "),
    ],
)
def test_words_and_layout_do_not_enter_it(before, after):
    assert before in CODE
    assert fingerprint(CODE.replace(before, after).encode()) == fingerprint(CODE.encode())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("0.3", "0.30001"),
        ('"text"', '"Text"'),
        ('"text"', "b'text'"),
        ("seed=1", "seed=True"),
        ("seed=1", "seed"),
        ("/, *, ", "*, "),
        ("Attack:", "Attack(Base):"),
        ("batch + each", "each + batch"),
        ("or None", "and None"),
        ("RADIUS = 0.3", "RADIUS: float = 0.3"),
        ('return [batch + each for each in (seed, RADIUS, "text")] or None', '""'),
    ],
)
def test_code_enters_it(before, after):
    assert before in CODE
    assert fingerprint(CODE.replace(before, after).encode()) != fingerprint(CODE.encode())


def test_what_is_no_python_has_none_and_garbage_is_collected_again():
    with pytest.raises(SyntaxError):
        fingerprint(b"def")
    assert gc.isenabled()


def test_every_room_that_computes_is_in_it():
    found = set(sources())
    assert {"update.py", "experiments/record/records.py", *COMPUTING} < found
    assert any(path.startswith("inversion/descent/") for path in found)
    assert not [path for path in found if path.startswith(APART) and path not in COMPUTING]
    assert all((SOURCES / each).exists() for each in (*APART, *COMPUTING))


def test_what_is_apart_is_imported_by_no_attack_and_no_score():
    """The rooms that are left out may show, track and start what the others compute."""
    shown = ("__init__.py", "experiments/")
    names = [f"spear.{each.replace('/', '.')}" for each in APART]
    for path, content in sources().items():
        if not path.startswith(shown):
            imported = [
                node.module or ""
                for node in ast.walk(ast.parse(content))
                if isinstance(node, ast.ImportFrom)
            ]
            assert not [each for each in imported if each.startswith(tuple(names))], path


@pytest.fixture
def copied(tmp_path, monkeypatch) -> Path:
    """A few files of the package, which take the place of all of them."""
    for each in ("update.py", "analysis/__init__.py", "experiments/cli/run.py"):
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCES / each, tmp_path / each)
    monkeypatch.setattr(module_of_sources, "SOURCES", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    sources.cache_clear()
    code_hash.cache_clear()


def test_a_file_that_computes_changes_the_key_and_no_other_does(copied):
    def now() -> str:
        forget()
        return code_hash()

    first = now()
    (copied / "analysis" / "__init__.py").write_text("A = 1\n")
    assert now() == first
    update = copied / "update.py"
    update.write_text(update.read_text().replace('"""', '"""Reworded. ', 1))
    assert now() == first
    update.write_text(update.read_text() + "A = 1\n")
    second = now()
    assert second != first
    update.rename(copied / "moved.py")
    assert now() not in (first, second)


def test_the_sources_are_those_that_were_loaded(copied):
    first = sources()
    (copied / "update.py").write_text("A = 1\n")
    assert sources() == first


def test_modules_of_others_count_likewise(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "foreign_attack.py"
    module.write_text(CODE)

    def now() -> str:
        return _foreign_code("foreign_attack.Attack")

    first = now()
    assert _foreign_code("spear.SpearIrls") == ""
    module.write_text(CODE.replace("An attack", "Another text").replace("the top", "below"))
    assert now() == first != ""
    module.write_text(CODE.replace("0.3", "0.4"))
    assert now() != first
    sys.modules.pop("foreign_attack", None)


def test_each_source_is_parsed_once_a_process(monkeypatch):
    parsed = []
    monkeypatch.setattr(
        module_of_sources, "fingerprint", lambda source: parsed.append(source) or ""
    )
    forget()
    assert code_hash() == code_hash()
    forget()
    assert len(parsed) == len(sources())
