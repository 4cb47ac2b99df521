"""Sources of the page's results."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from spear.analysis.records.store import RESULTS, Recorded, read_folders


@dataclass(frozen=True)
class Source:
    """A folder of results.

    Attributes:
        name: name on the page.
        root: folder with collected experiments or run folders below it.
    """

    name: str
    root: Path

    @property
    def committed(self) -> bool:
        """Return whether these are the project's own results."""
        return self.root.resolve() == RESULTS

    @cached_property
    def experiments(self) -> dict[str, Recorded]:
        """Return every experiment with a complete job, by name; it has the jobs of all folders."""
        found: dict[str, dict[str, Recorded]] = {}
        for folder, recorded in read_folders(self.root):
            place = folder.relative_to(self.root.resolve()).as_posix()
            for name, part in recorded.of_experiments().items():
                found.setdefault(name, {})[place] = part
        return {name: Recorded.together(parts) for name, parts in sorted(found.items())}


def sources(roots: list[Path]) -> list[Source]:
    """Return the folders that have results, each once and named for the page."""
    named = {root.resolve(): root for root in roots}
    found = [
        Source("committed" if resolved == RESULTS else str(root), root)
        for resolved, root in named.items()
    ]
    return [source for source in found if source.experiments]
