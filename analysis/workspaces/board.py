"""Dashboards of the paper's tables, and their files."""

import inspect
from dataclasses import dataclass
from pathlib import Path

import yaml

import spear.analysis.tables
from spear.analysis.overview import panels
from spear.analysis.overview.panels import PANELS, Panel
from spear.analysis.overview.results_page import Entry
from spear.analysis.records.store import HERE, RENDERED, RESULTS
from spear.analysis.render.packages import modules
from spear.errors import ConfigError

FOLDER = Path(RENDERED) / "workspaces"
"""Folder of the dashboards' files, in `results/` here or in the package."""

TOP = "# Written by `spear workspaces write`; published by `spear workspaces publish`.\n"
KEYS = {"name", "table", "experiments", "panels"}


@dataclass(frozen=True)
class Board:
    """Dashboard of one of the paper's tables.

    Attributes:
        name: name of the table, as in its caption.
        table: name of the rendered table with the paper's values, Algorithm 1's and ours.
        experiments: experiments whose jobs it shows; a job's run is in the group of its experiment.
        panels: panels of the jobs' numbers. Below them are the batches and the reconstructions.
    """

    name: str
    table: str
    experiments: tuple[str, ...]
    panels: tuple[Panel, ...]

    def to_yaml(self) -> str:
        """Return the text of the dashboard's file."""
        content = {
            "name": self.name,
            "table": self.table,
            "experiments": list(self.experiments),
            "panels": [panel.key for panel in self.panels],
        }
        return TOP + yaml.safe_dump(content, sort_keys=False, width=100)

    @classmethod
    def from_yaml(cls, path: Path) -> "Board":
        """Read a dashboard from its file.

        Raises:
            ConfigError: the file lacks a key, or names a panel that does not exist.
        """
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or set(content) != KEYS:
            raise ConfigError(f"{path} must have the keys {', '.join(sorted(KEYS))}, and no other.")
        unknown = [key for key in content["panels"] if key not in PANELS]
        if unknown:
            raise ConfigError(
                f"{path} has a panel {unknown[0]!r}; there are {', '.join(PANELS)} "
                "(analysis/overview/panels.py)."
            )
        shown = tuple(PANELS[key] for key in content["panels"])
        return cls(content["name"], content["table"], tuple(content["experiments"]), shown)

    def columns(self) -> str:
        """Return the rendered table as Markdown; "" if it was not rendered.

        The one below the working directory comes before the one of the package.
        """
        paths = [root / RENDERED / "tables" / f"{self.table}.md" for root in (HERE, RESULTS)]
        found = next((path for path in paths if path.is_file()), None)
        return found.read_text(encoding="utf-8") if found else ""


def boards() -> dict[str, Board]:
    """Return the dashboards of the paper's tables, by the tables' names."""
    captions = {
        name: Entry(name, inspect.cleandoc(module.__doc__ or ""))
        for name, module in modules(spear.analysis.tables).items()
    }
    return {
        name: Board(captions[name].heading, name, experiments, tuple(panels.of_table(name)))
        for name, experiments in panels.paper_tables().items()
    }


def files(folder: Path | None = None) -> dict[str, Path]:
    """Return the files of all dashboards, by name.

    Args:
        folder: folder of the files. If None, the one below the working directory if it has any,
            else the one that comes with the package.
    """
    if folder is None:
        folder = next(root / FOLDER for root in (HERE, RESULTS) if (root / FOLDER).is_dir())
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def write(folder: Path = HERE / FOLDER) -> list[Path]:
    """Write the files of all dashboards anew."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in files(folder).values():
        path.unlink()
    written = []
    for name, board in boards().items():
        written.append(folder / f"{name}.yaml")
        written[-1].write_text(board.to_yaml(), encoding="utf-8")
    return written
