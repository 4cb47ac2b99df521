"""The package knows its version."""

import importlib.metadata
import runpy
from importlib.metadata import PackageNotFoundError

import spear
from spear import version


def test_it_is_that_of_the_distribution():
    assert spear.__version__ == importlib.metadata.version("spear-suite")


def test_a_copy_that_nobody_installed_has_none(monkeypatch):
    def nothing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", nothing)
    assert runpy.run_path(version.__file__)["__version__"] == "0+unknown"
