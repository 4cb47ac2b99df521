"""Dashboards of tables, figures and any sweep, and their files."""

import inspect
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

import spear.analysis.figures
import spear.analysis.tables
from spear.analysis.overview import panels
from spear.analysis.overview.panels import PANELS, Panel
from spear.analysis.overview.results_page import Entry
from spear.analysis.records.results import PROVENANCE
from spear.analysis.records.run_folder import flat
from spear.analysis.records.store import HERE, JOBS, RENDERED, RESULTS, read_jobs
from spear.analysis.render.packages import modules
from spear.errors import ConfigError

FOLDER = Path(RENDERED) / "workspaces"
"""Folder of the dashboards' files, in `results/` here or in the package."""

TOP = "# Written by `spear workspaces write`; published by `spear workspaces publish`.\n"
KEYS = {"name", "table", "experiments", "panels", "over", "chosen"}


@dataclass(frozen=True)
class Board:
    """Dashboard of a table, a figure or a sweep.

    Attributes:
        name: name, as in the caption of the table or figure; that of the sweep.
        table: name of the rendered table with the paper's values, Algorithm 1's and ours; "" if
            there is none.
        experiments: experiments whose jobs it shows, or groups of runs; a job's run is in the group
            of its sweep's name, or of its experiment.
        panels: panels of the jobs' numbers. Below them are the batches and the reconstructions.
        over: keys of the configuration that differ between its jobs, such as
            `defense.noise_std`; each panel is drawn over each of them, too.
        chosen: groups whose chosen files differ between its jobs, such as `defense`; each panel has
            a bar for each choice, too.
    """

    name: str
    table: str
    experiments: tuple[str, ...]
    panels: tuple[Panel, ...]
    over: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()

    @classmethod
    def of_group(cls, group: str, jobs: pd.DataFrame) -> "Board":
        """Return the dashboard of any group of runs.

        Args:
            group: name of the sweep, or of the experiment.
            jobs: its jobs, as `spear.results(..., level="jobs")` returns them.
        """
        known = [str(key) for key in jobs if key == "batch_size" or _is_config(str(key))]
        shown = tuple(
            panel for key, panel in PANELS.items() if key in jobs and jobs[key].notna().any()
        )
        rows = [{str(key): value for key, value in row.items()} for row in jobs.to_dict("records")]
        over = panels.swept({key: row[key] for key in known} for row in rows)
        return cls(group, "", (group,), shown, over, panels.chosen(rows))

    def to_yaml(self) -> str:
        """Return the text of the dashboard's file."""
        content = {
            "name": self.name,
            "table": self.table,
            "experiments": list(self.experiments),
            "panels": [panel.key for panel in self.panels],
            "over": list(self.over),
            "chosen": list(self.chosen),
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
        lists = (tuple(content[key]) for key in ("over", "chosen"))
        return cls(content["name"], content["table"], tuple(content["experiments"]), shown, *lists)

    def columns(self) -> str:
        """Return the rendered table as Markdown; "" if there is none, or it was not rendered.

        The one below the working directory comes before the one of the package.
        """
        paths = [root / RENDERED / "tables" / f"{self.table}.md" for root in (HERE, RESULTS)]
        found = next((path for path in paths if path.is_file()), None)
        return found.read_text(encoding="utf-8") if found else ""


def boards() -> dict[str, Board]:
    """Return the dashboards of the paper's tables and of all figures, by their names."""
    captions = {
        name: Entry(name, inspect.cleandoc(module.__doc__ or ""))
        for package in (spear.analysis.figures, spear.analysis.tables)
        for name, module in modules(package).items()
    }
    tables = {
        name: Board(
            captions[name].heading, name, experiments, tuple(panels.of_table(name)),
            *_differing(experiments),
        )
        for name, experiments in panels.paper_tables().items()
    }  # fmt: skip
    figures = {
        name: Board(
            captions[name].heading,
            name if name in modules(spear.analysis.tables) else "",
            module.EXPERIMENTS,
            tuple(PANELS[key] for key in panels.ALWAYS),
            *_differing(module.EXPERIMENTS),
        )
        for name, module in modules(spear.analysis.figures).items()
        if name not in tables and module.EXPERIMENTS
    }
    return tables | figures


def _differing(experiments: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys and the choices that differ between committed jobs of some experiments."""
    folders = [RESULTS / each for each in experiments if (RESULTS / each / JOBS).is_file()]
    jobs = [job for folder in folders for job in read_jobs(folder).values()]
    over = panels.swept(flat(job["config"]) for job in jobs)
    return over, panels.chosen(job["summary"] for job in jobs)


def _is_config(key: str) -> bool:
    return "." in key and key.split(".")[0] not in (*PROVENANCE, "details")


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
