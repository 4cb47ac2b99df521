"""Renders results to files by the modules of `spear.analysis.figures` and `spear.analysis.tables`.

A module there names the experiments that it shows (`EXPERIMENTS`) and has a function that shows
them. The function receives the recorded batches (`spear.analysis.records.frames.load_batches`) and
nothing else.
"""

import inspect
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import pandas as pd
from matplotlib.figure import Figure

from spear.analysis.records.examples import behind
from spear.analysis.records.frames import load_batches
from spear.analysis.records.hardware import chips, threads
from spear.analysis.records.own_jobs import NOTES, NoOwnJobs, compares, own_batches
from spear.analysis.records.store import HERE, RESULTS, experiment_folder
from spear.analysis.render import style
from spear.analysis.render.packages import kind, modules
from spear.experiments.config.experiments import experiments as prepared
from spear.experiments.record.files import shown

Write = Callable[[ModuleType, pd.DataFrame, Path], list[Path]]
"""Function that writes a module's results to files `<path>.*` and returns their paths."""

FOLDER = "folder"
"""Key of a data frame's `attrs`: the folder of results that are not the committed ones."""


def load(experiments: tuple[str, ...], root: Path | None = None) -> pd.DataFrame:
    """Return the batches of some experiments in one table, which is empty without experiments.

    Args:
        experiments: names of the experiments.
        root: as in `spear.analysis.records.store.experiment_folder`.

    Raises:
        FileNotFoundError: one of them has no results there.
    """
    tables = []
    for experiment in experiments:
        table = load_batches(experiment_folder(experiment, root))
        if table.empty:
            # A folder that was named is read as runs leave it; committed records are collected.
            collected = f", then `spear collect outputs/{experiment}`" if root is None else ""
            raise FileNotFoundError(
                f"there are no results of {experiment} in {root or HERE}; run `spear "
                f"experiment={experiment}`{collected}."
            )
        tables.append(table)
    if not tables:
        return pd.DataFrame()
    # A copy has one block a type, so that tables and figures can add columns to it.
    return pd.concat(tables, ignore_index=True).copy()


def further(module: ModuleType) -> tuple[str, ...]:
    """Return the experiments of a table of the paper that may be without results.

    They are those that the table names in `ALSO`, else those that run Algorithm 1 on its batches:
    of `table3`, `table3_sampling`. A cell without results says so.
    """
    if not compares(module):
        return ()
    own = tuple(f"{each}_sampling" for each in module.EXPERIMENTS)
    return tuple(each for each in getattr(module, "ALSO", own) if each in prepared())


def experiments_of(module: ModuleType) -> tuple[str, ...]:
    """Return all experiments of a figure or table, those that may be without results at the end."""
    return (*module.EXPERIMENTS, *further(module))


def results_of(module: ModuleType, root: Path | None = None) -> pd.DataFrame:
    """Return the batches that a module shows; beside the paper's values, only of its own settings.

    Its `attrs` have the folder if it is not that of the committed results (see `caption`).

    Those of `further` experiments are included if there are any. A table with `ONLY` shows the
    batches that have these values.

    Args:
        module: of a table or a figure.
        root: as in `spear.analysis.records.store.experiment_folder`.

    Raises:
        FileNotFoundError: one of its experiments has no such results.
    """
    results = _results_of(module, root)
    if root is not None and root.resolve() != RESULTS:
        results.attrs[FOLDER] = shown(root).as_posix()
    return results


def _results_of(module: ModuleType, root: Path | None) -> pd.DataFrame:
    results = load(module.EXPERIMENTS, root)
    if not compares(module):
        return results
    parts = [own_batches(results, module.EXPERIMENTS, root)]
    notes = list(parts[0].attrs[NOTES])
    for each in further(module):
        try:
            parts.append(own_batches(load((each,), root), (each,), root))
            notes += parts[-1].attrs[NOTES]
        except NoOwnJobs as error:
            notes.append(str(error).rstrip("."))
        except FileNotFoundError:  # not run
            pass
    own = pd.concat(parts, ignore_index=True)
    for column, value in getattr(module, "ONLY", {}).items():
        own = own[own[column] == value]
    own.attrs[NOTES] = notes
    return own


def caption(module: ModuleType, results: pd.DataFrame) -> str:
    """Return the caption of a table or figure, and of other results than the committed, a warning.

    Args:
        module: of the table or figure.
        results: as `results_of` returns them.
    """
    text = inspect.cleandoc(module.__doc__ or "")
    if FOLDER not in results.attrs or results.empty:
        return text
    return (
        f"{text}\n\nThis shows {results.attrs[FOLDER]}. What the caption says of numbers is about "
        "the committed results."
    )


def origin(results: pd.DataFrame) -> str:
    """Return the hardware and the commits that the results were measured with, in words.

    Notes on jobs that are left out or have fewer batches (`results_of`) come after them, then the
    number of different examples, if it is known.
    """
    if results.empty:
        return "Computed from the lemmas, not measured"
    commits = ", ".join(sorted(str(each)[:7] for each in results["git_sha"].unique()))
    where = f"{', '.join(chips(results))}, {threads(results)}"
    measured = f"Measured on {where}, commit {commits}"
    notes = [*results.attrs.get(NOTES, []), behind(results)]
    return ". ".join([measured, *filter(None, notes)])


def drawn(module: ModuleType, results: pd.DataFrame) -> Figure:
    """Return a module's figure, signed with its origin; call and save it in `style.applied`."""
    figure: Figure = module.draw(results)
    style.sign(figure, origin(results))
    return figure


def render(
    package: ModuleType, write: Write, names: Sequence[str], root: Path | None, folder: Path
) -> tuple[str, str]:
    """Render modules of a package; return a line for each file, and one for each that is missing.

    Args:
        package: package of tables or of figures.
        write: function that writes the results of one.
        names: names of its modules (`check_names`); all of them if there are none.
        root: as in `spear.analysis.records.store.experiment_folder`.
        folder: folder to write to, which is created.
    """
    written, missing = _rendered(package, write, names, root, folder)
    lacking = "".join(f"{name}: {reason}\n" for name, reason in missing.items())
    return "".join(f"{path}\n" for path in written), lacking


def _rendered(
    package: ModuleType, write: Write, names: Sequence[str], root: Path | None, folder: Path
) -> tuple[list[Path], dict[str, str]]:
    """Render modules; return the files, and why others cannot be rendered, by their names."""
    found = modules(package)
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    missing: dict[str, str] = {}
    for name in names or found:
        try:
            written += write(found[name], results_of(found[name], root), folder / name)
        except FileNotFoundError as error:
            missing[name] = str(error)
    return written, missing


def checked(
    package: ModuleType, write: Write, names: Sequence[str], root: Path | None, folder: Path
) -> tuple[str, str]:
    """Compare rendered files with what the records give now; nothing is written.

    Args:
        package, write, names, root: as in `render`.
        folder: folder of the rendered files.

    Returns:
        Two texts of lines. The first has the files that are as the records give them, and the
        modules that have neither records nor files. The second has the files that are missing,
        differ or have no records. Images are the same bytes only with the packages of
        `requirements.lock`.
    """
    beside = folder.parent if folder.parent.is_dir() else None  # as deep, for relative links
    with TemporaryDirectory(dir=beside) as scratch:
        with redirect_stdout(StringIO()):  # tables are printed, too
            written, missing = _rendered(package, write, names, root, Path(scratch))
        good, bad = "", ""
        for fresh in sorted(written):
            own = folder / fresh.name
            if not own.is_file():
                bad += f"{own} is missing; {_again(package, fresh)}\n"
            elif own.read_bytes() != fresh.read_bytes():
                bad += f"{own} is not what the records give now; {_again(package, fresh)}\n"
            else:
                good += f"{own} is up to date\n"
    for name, reason in missing.items():
        if own_files := sorted(folder.glob(f"{name}.*")):
            bad += f"{own_files[0]} has no records: {reason}\n"
        else:
            good += f"{name} has no records: {reason}\n"
    return good, bad


def _again(package: ModuleType, path: Path) -> str:
    return f"run `spear {kind(package)} {path.stem}`."
