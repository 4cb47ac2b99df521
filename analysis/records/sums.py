"""SHA-256 sums of collected files, so that no number of a record changes unnoticed.

The file beside the experiments is that of coreutils: `cd results && sha256sum --check SHA256SUMS`.
`spear collect` renews the lines of what it collects. For a folder that was copied there or removed,
`python -m spear.analysis.records.sums EXPERIMENT ...` does.
"""

import hashlib
import re
import sys
from collections.abc import Collection
from pathlib import Path

from spear.analysis.records.store import RESULTS, collected_folders
from spear.errors import SpearError

SUMS = "SHA256SUMS"
"""File beside the folders of collected experiments."""

LINE = re.compile(r"([0-9a-f]{64})  (.+)")


class BrokenSums(SpearError):
    """A line of the file of sums is not a sum and a path, as after a merge."""


def write_sums(root: Path, experiments: Collection[str]) -> None:
    """Write the sums of some experiments anew, and keep those of the others.

    Args:
        root: folder of experiments.
        experiments: names of their folders; the sums of one that is gone are left out.

    Raises:
        BrokenSums: see `read_sums`.
    """
    kept = {path: own for path, own in read_sums(root).items() if _folder(path) not in experiments}
    found = sorted((kept | _sums(root, experiments)).items())
    text = "".join(f"{own}  {path}\n" for path, own in found)
    (root / SUMS).write_text(text, encoding="utf-8")


def read_sums(root: Path) -> dict[str, str]:
    """Return the recorded sum of each file, by its path below `root`; none without the file.

    Raises:
        BrokenSums: a line is not a sum and a path.
    """
    if not (root / SUMS).is_file():
        return {}
    lines = (root / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = LINE.fullmatch(line)
        if match is None:
            raise BrokenSums(
                f"line {number} of {root / SUMS} is {line[:80]!r}; expected a SHA-256 sum, two "
                "spaces and a path. Restore the file, or delete the line and collect its folder "
                "again."
            )
        found[match[2]] = match[1]
    return found


def changed(root: Path) -> list[str]:
    """Return the paths below `root` of files that differ from their sum, are gone, or are new."""
    recorded = read_sums(root)
    found = _sums(root, [folder.name for folder in collected_folders(root)])
    return sorted(
        path for path in recorded | found if recorded.get(path, "") != found.get(path, "")
    )


def _sums(root: Path, experiments: Collection[str]) -> dict[str, str]:
    files = (path for name in experiments for path in (root / name).glob("*") if path.is_file())
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def _folder(path: str) -> str:
    return path.partition("/")[0]


if __name__ == "__main__":
    write_sums(RESULTS, sys.argv[1:])
