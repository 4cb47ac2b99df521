"""Provenance of a result: code, versions, hardware, command."""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from spear.experiments.config.choice import shortened
from spear.experiments.record.redaction import redacted
from spear.version import DISTRIBUTION

PACKAGES = (
    DISTRIBUTION,
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "torchmetrics",
    "lpips",
    "hydra-core",
)


THIS = Path(__file__).resolve()  # the checkout links its folders into the package


def provenance() -> dict[str, Any]:
    """Return git state, versions, hardware, command and time, for `provenance.json`."""
    sha, dirty = git_state()
    return {
        "git_sha": sha,
        "git_dirty": dirty,
        "versions": versions(),
        "hardware": hardware(),
        "command": redacted(" ".join([Path(sys.argv[0]).name, *shortened(sys.argv[1:])])),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def continued(now: dict[str, Any], path: Path, batches: int) -> dict[str, Any]:
    """Return the provenance of a job that goes on; it contains that of the earlier runs.

    Args:
        now: provenance of this run.
        path: file of the earlier provenance.
        batches: number of batches that earlier runs recorded.
    """
    try:
        before = json.loads(path.read_text(encoding="utf-8")) if batches else {}
    except (OSError, ValueError):
        before = {}
    earlier = before.pop("earlier_runs", [])
    return {**now, "earlier_runs": [*earlier, *([before] if before else [])]}


def git_state() -> tuple[str | None, bool | None]:
    """Return the commit of the checkout that this code runs from, and whether it has changes.

    Returns:
        None and None outside a checkout, as in an installation from a wheel. Only a repository that
        tracks this file counts, not one that the environment happens to lie in.
    """
    try:
        _git("ls-files", "--error-unmatch", THIS.name)
        return _git("rev-parse", "HEAD"), bool(_git("status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return None, None


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def hardware() -> dict[str, Any]:
    """Return the processor, its cores, the threads that torch uses, and the GPU if there is one."""
    cuda = torch.cuda.is_available()
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "system": platform.platform(terse=True),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=THIS.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
