"""Every value of the paper's tables beside ours, with a verdict: `spear claims`.

Values that we have no results for are left out, and so are jobs whose settings are not those of
their experiment; these and jobs with fewer batches are named at the end. If ours is worse than the
paper's by more than its 95 % interval, `analysis/paper/deviations.csv` must say why.
"""

import argparse
from pathlib import Path
from types import ModuleType

import pandas as pd
from rich.console import Console

import spear.analysis.tables
from spear.analysis.overview.tables import markdown
from spear.analysis.paper.comparison import PAPER, comparisons
from spear.analysis.records.own_jobs import NOTES, NoOwnJobs
from spear.analysis.records.store import experiment_folder
from spear.analysis.render.rendering import add_results_option, modules, results_of

KEY = ["table", "cell", "measure"]


def compared_tables(root: Path | None = None) -> dict[str, ModuleType]:
    """Return the tables that reproduce one of the paper's, by name, if they have any results.

    Args:
        root: as in `spear.analysis.records.store.experiment_folder`.
    """
    return {
        name: module
        for name, module in modules(spear.analysis.tables).items()
        if hasattr(module, "COMPARED")
        and any(experiment_folder(each, root).exists() for each in module.EXPERIMENTS)
    }


def claims(root: Path | None = None) -> pd.DataFrame:
    """Return every comparison that the results allow (`spear.analysis.paper.comparison`).

    `attrs["notes"]` has a sentence on each job that is left out, because its settings are not its
    experiment's, and on those with fewer batches.

    Args:
        root: as in `spear.analysis.records.store.experiment_folder`.

    Raises:
        FileNotFoundError: there are no results of any table, or of some experiments of one only.
    """
    tables, notes = [], []
    for name, module in compared_tables(root).items():
        try:
            tables.append(claims_of(name, module, root))
        except NoOwnJobs as error:
            notes.append(str(error).rstrip("."))
        else:
            notes += tables[-1].attrs[NOTES]
    if not tables and notes:
        raise NoOwnJobs(f"{'; '.join(notes)}.")
    if not tables:
        raise FileNotFoundError(
            f"there are no results of any of the paper's tables in {root}; collect some there by "
            "`spear collect --results`."
        )
    found = pd.concat(tables, ignore_index=True)
    found.attrs[NOTES] = notes
    return found


def claims_of(name: str, module: ModuleType, root: Path | None = None) -> pd.DataFrame:
    """Return the comparisons of one table, with notes as in `claims`.

    Raises:
        FileNotFoundError: there are no results of one of its experiments.
        NoOwnJobs: one of them has no results with its own settings.
    """
    results = results_of(module, root)
    prepared = module.prepared(results) if hasattr(module, "prepared") else results
    found = comparisons(name, prepared, module.KEYS, module.COMPARED)
    found.attrs[NOTES] = results.attrs[NOTES]
    return found


def deviations() -> pd.DataFrame:
    """Return the known reasons for worse values: columns table, cell, measure, why."""
    return pd.read_csv(PAPER / "deviations.csv")


def with_reasons(found: pd.DataFrame) -> pd.DataFrame:
    """Return claims with a column `why`, empty if there is nothing to explain."""
    return found.merge(deviations(), on=KEY, how="left").fillna({"why": ""})


def main(arguments: list[str]) -> None:
    """Run `spear claims`; exit with 1 if a worse value has no recorded reason."""
    parser = argparse.ArgumentParser(prog="spear claims", description=__doc__)
    add_results_option(parser)
    compared = claims(parser.parse_args(arguments).results)
    found = with_reasons(compared)
    numbers = {column: found[column].map("{:.4g}".format) for column in ("paper", "ours")}
    Console().print(markdown(found.assign(**numbers)), markup=False, soft_wrap=True)
    unexplained = int(((found["verdict"] == "worse") & (found["why"] == "")).sum())
    counts = ", ".join(f"{n} {verdict}" for verdict, n in found["verdict"].value_counts().items())
    notes = "".join(f"{each}.\n" for each in compared.attrs[NOTES])
    parser.exit(
        1 if unexplained else 0, f"{notes}{counts}; {unexplained} worse without a reason.\n"
    )
