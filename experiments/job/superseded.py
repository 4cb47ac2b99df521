"""Keeps results with another key: they are moved aside, never deleted."""

import logging
from pathlib import Path

from spear.experiments.record.files import shown
from spear.experiments.record.run_files import RESULT, SUPERSEDED

log = logging.getLogger(__name__)


def set_aside(folder: Path, reason: str, key: str) -> None:
    """Move a result into a folder named by its key; nothing is deleted."""
    there = [folder / name for name in RESULT if (folder / name).exists()]
    kept = folder.parent / SUPERSEDED / f"{folder.name}~{key or 'unknown'}"
    number, target = 1, kept
    while any((target / path.name).exists() for path in there):
        number += 1
        target = kept.with_name(f"{kept.name}.{number}")
    target.mkdir(parents=True, exist_ok=True)
    for path in there:
        path.rename(target / path.name)
    log.info("a result %s was in this folder; it is kept in %s", reason, shown(target))
