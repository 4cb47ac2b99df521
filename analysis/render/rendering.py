"""From committed results to files: finds the modules of `spear.analysis.figures` and
`spear.analysis.tables`.

A module there names the experiments that it shows (`EXPERIMENTS`) and has the function that shows
them. It is given what their jobs recorded (`spear.analysis.records.frames.load_batches`) and
nothing else.
"""

import argparse
import pkgutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pandas as pd
from matplotlib.figure import Figure

from spear.analysis.records.frames import load_batches
from spear.analysis.records.store import RENDERED, RESULTS
from spear.analysis.render import style

Write = Callable[[ModuleType, pd.DataFrame, Path], list[Path]]
"""Shows a module's results in files `<path>.*` and tells which."""


def names(package: ModuleType) -> list[str]:
    """The names of a package's modules; none is imported."""
    found = [each.name for each in pkgutil.iter_modules(package.__path__)]
    return [name for name in found if name != "__main__"]


def modules(package: ModuleType) -> dict[str, ModuleType]:
    """The modules of a package by name."""
    return {name: import_module(f"{package.__name__}.{name}") for name in names(package)}


def load(experiments: tuple[str, ...], root: Path) -> pd.DataFrame:
    """The batches of some experiments, one after the other; no rows for none (theory alone).

    Raises:
        FileNotFoundError: one of them has no results below `root`.
    """
    tables = []
    for experiment in experiments:
        table = load_batches(root / experiment)
        if table.empty:
            raise FileNotFoundError(
                f"there are no results of {experiment} in {root}; run `spear "
                f"experiment={experiment}`, then `spear-collect outputs/{experiment}`."
            )
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def origin(results: pd.DataFrame) -> str:
    """On what, and by which code, the results were measured, if they were."""
    if results.empty:
        return "Computed from the lemmas, not measured"
    on_gpu = results["device"] == "cuda"
    chips = results["hardware.cpu"].mask(on_gpu, results["hardware.gpu"]).unique()
    threads = "/".join(str(each) for each in sorted(results["hardware.threads"].unique()))
    commits = ", ".join(sorted(str(each)[:7] for each in results["git_sha"].unique()))
    plural = "s" * (threads != "1")
    return f"Measured on {', '.join(sorted(chips))}, {threads} thread{plural}, commit {commits}"


def drawn(module: ModuleType, results: pd.DataFrame) -> Figure:
    """A module's figure, signed with its origin; to be called and saved in `style.applied`."""
    figure: Figure = module.draw(results)
    style.sign(figure, origin(results))
    return figure


def render(package: ModuleType, write: Write, arguments: list[str] | None = None) -> None:
    """Command line of a package: render the modules that are named, or all of them.

    Exits with 1 if one cannot be rendered, after the others.
    """
    found = modules(package)
    parser = argparse.ArgumentParser(
        prog=f"python -m {package.__name__}", description=package.__doc__
    )
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(found)}; all of them if none")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where experiments lie")
    parser.add_argument(
        "--to",
        type=Path,
        default=RENDERED / package.__name__.rpartition(".")[2],
        help="where files are written",
    )
    chosen = parser.parse_args(arguments)
    unknown = sorted(set(chosen.names) - set(found))
    if unknown:
        parser.exit(1, f"there is no {unknown[0]!r}; there are {', '.join(found)}.\n")
    chosen.to.mkdir(parents=True, exist_ok=True)
    said, missing = "", ""
    for name in chosen.names or found:
        try:
            results = load(found[name].EXPERIMENTS, chosen.results)
            said += "".join(f"{path}\n" for path in write(found[name], results, chosen.to / name))
        except FileNotFoundError as error:
            missing += f"{name}: {error}\n"
    parser.exit(1 if missing else 0, said + missing)
