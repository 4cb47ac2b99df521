"""Writes files completely or not at all, or adds lines to them, and without credentials."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from spear.errors import SpearError
from spear.experiments.record.redaction import redacted


class CannotWrite(SpearError):
    """A file of a run folder cannot be written."""


def write_text(path: Path, text: str) -> None:
    """Write a text file; credentials in the text are replaced (`redacted`)."""
    with replacing(path) as beside:
        beside.write_text(redacted(text), encoding="utf-8")


def append_text(path: Path, text: str) -> None:
    """Add to the end of a text file; credentials in the text are replaced (`redacted`).

    Raises:
        CannotWrite: the disk is full, or the file cannot be written. A part of the text may be
            there; whoever reads the file has to tell.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(redacted(text))
    except OSError as error:
        raise _cannot_write(path, error) from error


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file; NaN and infinities, which JSON lacks, become null."""
    write_text(path, json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path; its file replaces `path` at the end of the context.

    Raises:
        CannotWrite: the disk is full, or the folder cannot be written. The old file stays.
    """
    beside = path.with_name(f".part.{path.name}")
    try:
        yield beside
        os.replace(beside, path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> CannotWrite:
    return CannotWrite(
        f"{path} cannot be written ({error.strerror or error}); what is there is kept: make "
        "room, or set output_root to another folder, and run the same command again."
    )


def shown(path: Path) -> Path:
    """Return a path as a user would type it: relative if it is below the working directory."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
