"""Tables and figures by name, as objects: `spear.table("table9")`, `spear.figure("figure4")`."""

import inspect
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pandas as pd
from matplotlib.figure import Figure

import spear.analysis.figures
import spear.analysis.tables
from spear.analysis.render import style
from spear.analysis.render.packages import check_names
from spear.analysis.render.rendering import drawn, origin
from spear.analysis.render.rendering import results_of as batches_of


def table(name: str, results: str | Path | None = None) -> pd.DataFrame:
    """Return a table of `spear tables` as a data frame of text.

    Args:
        name: name of the table, such as `table9`.
        results: folder with a folder of runs or of collected results for each of the table's
            experiments, such as `outputs`. None for what was collected in `results`, and for the
            committed results where nothing was.

    Returns:
        The table. Its `attrs` have its `caption` and, as `origin`, the hardware and the commits
        of its numbers.

    Raises:
        ConfigError: there is no table of that name.
        FileNotFoundError: an experiment has no such results; says how to run it.
    """
    module = _module(spear.analysis.tables, name)
    batches = batches_of(module, _folder(results))
    found: pd.DataFrame = module.table(batches)
    found.attrs = {"caption": inspect.cleandoc(module.__doc__ or ""), "origin": origin(batches)}
    return found


def figure(name: str, results: str | Path | None = None) -> Figure:
    """Return a figure of `spear figures`.

    Args:
        name: name of the figure, such as `figure4`.
        results: as of `table`.

    Returns:
        The figure; it needs no display, and `savefig` writes it. A notebook shows it after
        `%matplotlib inline`.

    Raises:
        ConfigError: there is no figure of that name.
        FileNotFoundError: an experiment has no such results; says how to run it.
    """
    module = _module(spear.analysis.figures, name)
    with style.applied():
        return drawn(module, batches_of(module, _folder(results)))


def _folder(results: str | Path | None) -> Path | None:
    return None if results is None else Path(results)


def _module(package: ModuleType, name: str) -> ModuleType:
    """Import the module of that name; only this one, since some need torch, which takes seconds."""
    check_names(package, [name])
    return import_module(f"{package.__name__}.{name}")
