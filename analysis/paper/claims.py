"""Whether the committed results keep what the paper reports: `python -m
spear.analysis.paper.claims`.

Every value of the paper's tables that we have results for is held against ours. Where ours is worse
than the paper's by more than its 95 % interval, `analysis/paper/deviations.csv` must say why.
"""

import argparse
from pathlib import Path
from types import ModuleType

import pandas as pd
from rich.console import Console

import spear.analysis.tables
from spear.analysis.paper.comparison import PAPER, comparisons
from spear.analysis.records.store import RESULTS
from spear.analysis.render.rendering import load, modules
from spear.analysis.tables.__main__ import markdown

KEY = ["table", "cell", "measure"]


def compared_tables(root: Path) -> dict[str, ModuleType]:
    """The tables that reproduce one of the paper's, by name, if any results of theirs are there."""
    return {
        name: module
        for name, module in modules(spear.analysis.tables).items()
        if hasattr(module, "COMPARED")
        and any((root / each).exists() for each in module.EXPERIMENTS)
    }


def claims(root: Path) -> pd.DataFrame:
    """Every comparison that the results below `root` allow
    (`spear.analysis.paper.comparison.comparisons`).

    Raises:
        FileNotFoundError: a table has results of some of its experiments only.
    """
    tables = [claims_of(name, module, root) for name, module in compared_tables(root).items()]
    return pd.concat(tables, ignore_index=True)


def claims_of(name: str, module: ModuleType, root: Path) -> pd.DataFrame:
    """The comparisons of one table.

    Raises:
        FileNotFoundError: there are no results of one of its experiments.
    """
    results = load(module.EXPERIMENTS, root)
    prepared = module.prepared(results) if hasattr(module, "prepared") else results
    return comparisons(name, prepared, module.KEYS, module.COMPARED)


def deviations() -> pd.DataFrame:
    """Where we are worse than the paper, and why: columns table, cell, measure, why."""
    return pd.read_csv(PAPER / "deviations.csv")


def with_reasons(found: pd.DataFrame) -> pd.DataFrame:
    """The claims with a column `why`, empty where there is nothing to explain."""
    return found.merge(deviations(), on=KEY, how="left").fillna({"why": ""})


def main() -> None:
    """Command line; exits with 1 if a deviation is not explained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where experiments lie")
    found = with_reasons(claims(parser.parse_args().results))
    numbers = {column: found[column].map("{:.4g}".format) for column in ("paper", "ours")}
    Console().print(markdown(found.assign(**numbers)), markup=False, soft_wrap=True)
    unexplained = int(((found["verdict"] == "worse") & (found["why"] == "")).sum())
    counts = ", ".join(f"{n} {verdict}" for verdict, n in found["verdict"].value_counts().items())
    parser.exit(1 if unexplained else 0, f"{counts}; {unexplained} worse without a reason.\n")


if __name__ == "__main__":
    main()
