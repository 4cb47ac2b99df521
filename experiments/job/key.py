"""What a result depends on, as a key: a result is taken up again under the same key only."""

import hashlib
import inspect
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import spear
from spear.experiments.job.provenance import versions

SOURCES = Path(spear.__file__).parent
"""Every source file below it enters the key, but for those of `APART`."""

APART = ("analysis", "conf", "results")
"""Folders that compute no result."""

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "torchmetrics", "lpips")
"""Packages whose versions enter it."""


@dataclass(frozen=True)
class Key:
    """SHA-256 of each thing that a result depends on, but for the data (`RunFolder.begin`).

    Attributes:
        config: the keys of the configuration that a result depends on.
        code: the sources of `spear`, and the modules of other `_target_`s.
        packages: versions of the packages that compute.
        files: contents of the files that the configuration names, such as a checkpoint.
    """

    config: str
    code: str
    packages: str
    files: str

    @classmethod
    def of(cls, content: dict[str, Any]) -> "Key":
        """The key of a job, run by the code of this process.

        Args:
            content: `spear.experiments.config.spec.JobSpec.relevant`.
        """
        targets = {value for key, value in _texts(content) if key == "_target_"}
        files = {value for _, value in _texts(content) if _is_file(value)}
        foreign = [_digest(_foreign_source(each)) for each in sorted(targets)]
        return cls(
            config=_digest(json.dumps(content, sort_keys=True, default=str)),
            code=_digest("".join([code_hash(), *foreign])),
            packages=_digest(json.dumps([versions()[each] for each in PACKAGES])),
            files=_digest("".join(_digest(Path(each).read_bytes()) for each in sorted(files))),
        )

    @property
    def digest(self) -> str:
        """The whole key, in 16 hexadecimal digits."""
        return _digest(json.dumps(asdict(self), sort_keys=True))[:16]

    def differences(self, other: dict[str, str]) -> list[str]:
        """Names of the parts in which a recorded key is another."""
        return [name for name, value in asdict(self).items() if other.get(name) != value]


@cache
def code_hash() -> str:
    """Of the sources as they are when this is first called, which should be when they are loaded.

    Contents count, not commits: a new document invalidates nothing, an uncommitted change does.
    """
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(f"{path.relative_to(SOURCES).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources() -> list[Path]:
    """Every source file of the package that may change a result, sorted."""
    found = []
    for folder, _, names in os.walk(SOURCES, followlinks=True):  # a checkout links its rooms
        path = Path(folder)
        if path.relative_to(SOURCES).parts[:1] not in {(each,) for each in APART}:
            found += [path / name for name in names if name.endswith(".py")]
    return sorted(found)


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """All texts in a nested value, with the keys they stand under."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _texts(each, str(name))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, key)
    elif isinstance(value, str):
        yield key, value


def _foreign_source(target: str) -> bytes:
    """The source of the module of a `_target_` outside `SOURCES`."""
    if target.split(".")[0] == SOURCES.name:
        return b""
    found = inspect.getsourcefile(resolve_name(target))
    return Path(found).read_bytes() if found else b""


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a path, or not one at all
        return False


def _digest(content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()
