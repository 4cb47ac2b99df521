"""Results in a few words, by what chooses them, for the lists of experiments.

A cell of the paper's tables is chosen by `table3 psnr,accuracy dataset=mnist`, batches of an
experiment by `batch_size=20 dataset=cifar10`.
"""

from functools import cache
from pathlib import Path

from spear.analysis.overview.claims import prepared_results, tables_of_the_paper
from spear.analysis.paper.brief import Brief, brief
from spear.analysis.paper.comparison import Cell, cells, key_text
from spear.analysis.records.hardware import place
from spear.analysis.render.rendering import load
from spear.analysis.statistics.measures import duration, with_deviation
from spear.errors import ConfigError


def in_brief(named: str, root: Path | None = None) -> Brief:
    """Return the values of some cells in words.

    Args:
        named: a table of the paper, its measures, and the values of keys that choose cells, each
            separated by commas: `table9 psnr method=spear sigma=5e-06,1e-05`.
        root: as in `spear.analysis.records.store.experiment_folder`.

    Raises:
        ConfigError: there is no such table, measure, key or cell.
    """
    table, measures, *keys = named.split()
    wanted, order = _wanted(keys), measures.split(",")
    found = [
        each
        for each in _all(table, root)
        if each.column in order
        and all(each.keys.get(name) in values for name, values in wanted.items())
    ]
    missing = {*order} - {each.column for each in found}
    if missing:
        raise ConfigError(
            f"{named!r} is no cell: {table} has none of {', '.join(sorted(missing))} with "
            f"{' '.join(keys) or 'any keys'}; expected TABLE MEASURES KEY=VALUES ..., as in "
            "'table3 psnr,accuracy dataset=mnist'."
        )
    return brief(sorted(found, key=lambda each: order.index(each.column)))


def batches_in_brief(experiment: str, named: str, root: Path | None = None) -> str:
    """Return exact batches, PSNR (mean ± standard deviation) and median time of some batches.

    Args:
        experiment: whose records they are in.
        named: values of columns that choose them, each separated by commas: `batch_size=20,24`.
        root: as in `spear.analysis.records.store.experiment_folder`.

    Raises:
        ConfigError: there is no such column or batch.
        FileNotFoundError: the experiment has no results.
    """
    found = load((experiment,), root)
    for name, values in _wanted(named.split()).items():
        if name not in found:
            raise ConfigError(f"{name!r} is no column of the results of {experiment}.")
        found = found[found[name].map(key_text).isin(values)]
    if found.empty:
        raise ConfigError(f"{experiment} has no batch with {named}.")
    exact = f"{int(found['exact'].sum())}/{len(found)}"
    where = f"{duration(float(found['seconds'].median()))} ({place(found)})"
    return f"{exact}; {with_deviation(found['psnr'])} dB; {where}"


def _wanted(keys: list[str]) -> dict[str, list[str]]:
    """Return the values by which each key chooses."""
    pairs = (each.partition("=") for each in keys)
    return {name: values.split(",") for name, _, values in pairs}


@cache
def _all(table: str, root: Path | None) -> list[Cell]:
    """Return every cell of a table."""
    compared = tables_of_the_paper()
    if table not in compared:
        raise ConfigError(f"{table!r} is no table of the paper; expected {', '.join(compared)}.")
    module = compared[table]
    return list(cells(table, prepared_results(module, root), module.KEYS, module.COMPARED))
