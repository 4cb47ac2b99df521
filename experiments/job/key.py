"""The key of a result. A result is reused only by a job with the same key."""

import hashlib
import inspect
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from spear.experiments.job.provenance import versions
from spear.experiments.job.sources import SOURCES, code_hash, fingerprint

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "torchmetrics", "lpips")
"""Packages whose versions enter the key."""


@dataclass(frozen=True)
class Key:
    """SHA-256 of everything that a result depends on, except the data (see `RunFolder.begin`).

    Attributes:
        config: digest of the configuration's keys that a result depends on.
        code: digest of `code_hash` and of the modules of other packages' `_target_`s.
        packages: digest of the versions of `PACKAGES`.
        files: digest of the files that the configuration names, such as a checkpoint.
    """

    config: str
    code: str
    packages: str
    files: str

    @classmethod
    def of(cls, content: dict[str, Any]) -> "Key":
        """Return the key of a job that this process would run.

        Args:
            content: `spear.experiments.config.spec.JobSpec.relevant`.
        """
        targets = {value for key, value in _texts(content) if key == "_target_"}
        files = {value for _, value in _texts(content) if _is_file(value)}
        foreign = [_foreign_code(each) for each in sorted(targets)]
        installed = versions()
        return cls(
            config=_digest(json.dumps(content, sort_keys=True, default=str)),
            code=_digest("".join([code_hash(), *foreign])),
            packages=_digest(json.dumps([installed[each] for each in PACKAGES])),
            files=_digest("".join(_digest(Path(each).read_bytes()) for each in sorted(files))),
        )

    @property
    def digest(self) -> str:
        """Digest of the whole key: 16 hexadecimal digits."""
        return _digest(json.dumps(asdict(self), sort_keys=True))[:16]

    def differences(self, other: dict[str, str]) -> list[str]:
        """Return the names of the parts in which a recorded key differs."""
        return [name for name, value in asdict(self).items() if other.get(name) != value]


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield all texts in a nested value, each with its key."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _texts(each, str(name))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, key)
    elif isinstance(value, str):
        yield key, value


def _foreign_code(target: str) -> str:
    """Return the fingerprint of the module of a `_target_` outside `SOURCES`, or nothing."""
    if target.split(".")[0] == SOURCES.name:
        return ""
    found = inspect.getsourcefile(resolve_name(target))
    return fingerprint(Path(found).read_bytes()) if found else ""


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a path, or not one at all
        return False


def _digest(content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()
