"""Every value of the paper's tables, its method run again, and ours (`spear claims`).

The statements on its figures come after them (`spear.analysis.tables.figure_statements`).
"""

from pathlib import Path
from types import ModuleType

import pandas as pd
from rich.console import Console

import spear.analysis.tables
from spear.analysis.overview.tables import markdown
from spear.analysis.paper.columns import THE_PAPER, WITH_RIVALS
from spear.analysis.paper.comparison import PAPER, SPEAR, comparisons
from spear.analysis.paper.verdicts import IMPROVED, REPRODUCED, UNDECIDED, batches_needed
from spear.analysis.records.own_jobs import NOTES, NoOwnJobs
from spear.analysis.records.store import experiment_folder
from spear.analysis.render.methods import OURS
from spear.analysis.render.packages import modules
from spear.analysis.render.rendering import results_of
from spear.analysis.tables import figure_statements

KEY = ["table", "cell", "measure"]


def tables_of_the_paper() -> dict[str, ModuleType]:
    """Return the tables that reproduce one of the paper's, by name."""
    found = modules(spear.analysis.tables).items()
    return {name: module for name, module in found if hasattr(module, "COMPARED")}


def compared_tables(root: Path | None = None) -> dict[str, ModuleType]:
    """Return the tables that reproduce one of the paper's, by name, if they have any results.

    Args:
        root: as in `spear.analysis.records.store.experiment_folder`.
    """
    return {
        name: module
        for name, module in tables_of_the_paper().items()
        if any(experiment_folder(each, root).exists() for each in module.EXPERIMENTS)
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


def prepared_results(module: ModuleType, root: Path | None = None) -> pd.DataFrame:
    """Return the batches of one table with the columns of its keys.

    Raises:
        FileNotFoundError, NoOwnJobs: see `claims_of`.
    """
    results = results_of(module, root)
    prepared: pd.DataFrame = module.prepared(results) if hasattr(module, "prepared") else results
    prepared.attrs[NOTES] = results.attrs[NOTES]
    return prepared


def claims_of(name: str, module: ModuleType, root: Path | None = None) -> pd.DataFrame:
    """Return the comparisons of one table, with notes as in `claims`.

    Raises:
        FileNotFoundError: there are no results of one of its experiments.
        NoOwnJobs: one of them has no results with its own settings.
    """
    results = prepared_results(module, root)
    found = comparisons(name, results, module.KEYS, module.COMPARED)
    found.attrs[NOTES] = results.attrs[NOTES]
    return found


def on_figures(root: Path | None = None) -> pd.DataFrame:
    """Return the statements on the paper's figures with their numbers; none without records.

    Args:
        root: as in `spear.analysis.records.store.experiment_folder`.
    """
    try:
        return figure_statements.table(results_of(figure_statements, root))
    except FileNotFoundError:
        return pd.DataFrame()


def deviations() -> pd.DataFrame:
    """Return what there is to say about values: columns table, cell, measure, verdict, why.

    A verdict is explained by the row with its name, `reproduced` or `ours`; other rows are notes.
    In `why`, `{bound}` stands for the mean PSNR by least squares had dL/dZ been known, `{below}`
    for what the descent is below it, and `{missed}` for the number of batches of ours that do not
    count as right. They are filled in from the records (`with_reasons`).
    """
    return pd.read_csv(PAPER / "deviations.csv")


def with_reasons(found: pd.DataFrame) -> pd.DataFrame:
    """Return claims with a column `why`, empty if there is nothing to say.

    What is undecided says how many batches it takes.
    """
    reasons = deviations().groupby(KEY, sort=False)["why"].agg("; ".join)
    merged = found.merge(reasons.reset_index(), on=KEY, how="left").fillna({"why": ""})
    return merged.assign(why=[_why(row) for _, row in merged.iterrows()])


def unexplained(found: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each "no" and each "worse" without a reason: `KEY` and `verdict`."""
    known = set(map(tuple, deviations()[[*KEY, "verdict"]].to_numpy()))
    rows = [
        (*row[KEY], verdict)
        for _, row in found.iterrows()
        for verdict, word in (("reproduced", REPRODUCED[-1]), ("ours", IMPROVED[-1]))
        if row[verdict] == word
    ]
    return pd.DataFrame([row for row in rows if row not in known], columns=[*KEY, "verdict"])


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """Return claims with reasons as a table of text."""
    return pd.DataFrame(
        {
            "table": found["table"],
            "cell": found["cell"],
            "measure": found["measure"],
            THE_PAPER: found["paper_text"],
            WITH_RIVALS: found["again_text"],
            "batches": [*map(_batches, found["batches_again"], found["how"])],
            "reproduced": found["reproduced"],
            OURS: found["ours_text"],
            "batches ": [*map(_batches, found["batches_ours"])],
            "ours": found["ours"],
            "why": found["why"],
        }
    )


def counts(found: pd.DataFrame) -> str:
    """Return how often each verdict is given, in words."""
    return "; ".join(f"{verdict}: {_counted(found[verdict])}" for verdict in ("reproduced", "ours"))


def in_words(found: pd.DataFrame) -> str:
    """Return how often each verdict is given, and in which tables, as a paragraph."""
    rows = found["cell"].str.extract("method = (\\w+)")[0]
    of_spear = found[rows.isna() | (rows == SPEAR)]
    run = of_spear["again"].notna()
    worse = found.loc[found["ours"] == IMPROVED[-1], "table"]
    return (
        "Algorithm 1 or the rival, run here, reproduces the paper's value within the 95 % "
        f"intervals: {_counted(found['reproduced'])}. The descent improves on it: "
        f"{_counted(found['ours'])}; the worse ones are in {_tables(worse)}. Of {len(of_spear)} "
        f"values of SPEAR's, {sum(~run)} have no record of Algorithm 1; the others are in "
        f"{_tables(of_spear.loc[run, 'table'])}."
    )


def _counted(verdict: pd.Series) -> str:
    return ", ".join(f"{n} {word}" for word, n in verdict.value_counts().items() if word)


def _tables(names: pd.Series) -> str:
    """Return the names of tables in words: "Tables 1, 2 and 10"."""
    numbers = sorted({each.removeprefix("table") for each in names}, key=_number)
    if not numbers:
        return "no table"
    listed = " and ".join(filter(None, [", ".join(numbers[:-1]), numbers[-1]]))
    return f"Table{'s' * (len(numbers) > 1)} {listed}".replace("_", " ")


def _number(name: str) -> tuple[int, str]:
    number, _, rest = name.partition("_")
    return int(number), rest


def _batches(n: int, how: str = "") -> str:
    return f"{n} ({how})" if n and how else str(n or "-")


def _why(row: pd.Series) -> str:
    known = {"bound": row["bound"], "below": row["bound"] - row["descent"]}
    if row["measure"] == "accuracy" and row["batches_ours"]:
        known["missed"] = round(row["batches_ours"] * (1 - row["descent"] / 100))
    reason = row["why"].format(**known)
    return "; ".join(filter(None, (reason, _needed(row))))


def _needed(row: pd.Series) -> str:
    """Return the batches that an undecided share takes."""
    undecided = UNDECIDED in (row["reproduced"], row["ours"])
    if not undecided or row["measure"] != "accuracy":
        return ""
    return f"{row['paper']:g} % within 20 points takes {batches_needed(row['paper'])} batches"


def report(root: Path | None = None) -> tuple[str, int]:
    """Print all claims; return what they come to, and how many deviate without a reason.

    Args:
        root: as in `claims`.
    """
    compared = claims(root)
    console = Console()
    for each in (shown(with_reasons(compared)), on_figures(root)):
        if not each.empty:
            console.print(markdown(each), markup=False, soft_wrap=True)
            console.print()
    missing = unexplained(compared)
    notes = "".join(f"{each}.\n" for each in compared.attrs[NOTES])
    said = "".join(f"{', '.join(row)}: no reason.\n" for row in missing.to_numpy())
    return f"{notes}{said}{counts(compared)}; {len(missing)} without a reason.\n", len(missing)
