"""A commit is recorded only where that commit has this code."""

import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from spear.experiments.job import provenance as module
from spear.experiments.job.provenance import git_state, versions


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=someone", "-c", "user.email=some@one")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """Somebody's repository with one commit, and this package in an environment inside it."""
    (tmp_path / "theirs.py").write_text("A = 1\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "theirs.py")
    git(tmp_path, "commit", "--quiet", "--message", "theirs")
    installed = tmp_path / "env" / "site-packages" / "provenance.py"
    installed.parent.mkdir(parents=True)
    shutil.copy(module.THIS, installed)
    monkeypatch.setattr(module, "THIS", installed)
    return tmp_path


@pytest.mark.parametrize("ignored", [True, False])
def test_a_repository_around_the_installed_package_is_not_ours(repository, ignored):
    if ignored:
        (repository / ".gitignore").write_text("env/\n")
    assert git_state() == (None, None)


def test_a_repository_with_this_file_is(repository):
    git(repository, "add", "env")
    git(repository, "commit", "--quiet", "--message", "ours")
    assert git_state() == (git(repository, "rev-parse", "HEAD"), False)
    (repository / "theirs.py").write_text("A = 2\n")
    assert git_state()[1] is True


def test_without_a_repository_or_git_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "THIS", tmp_path / "provenance.py")
    assert git_state() == (None, None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state() == (None, None)


def test_the_version_of_the_distribution_is_always_there(monkeypatch):
    assert versions()["spear-suite"] == version("spear-suite")
    monkeypatch.setattr(module, "PACKAGES", ("no-such-distribution",))
    assert versions()["no-such-distribution"] == "absent"
