"""Keeps jobs whose settings are not their experiment's from a comparison with the paper.

A run such as `spear experiment=table8 dataset=digits` is recorded as one of table8, but the paper's
value is about other data. Which differences count is in `spear.experiments.config.own_settings`.
"""

from functools import cache
from pathlib import Path
from types import ModuleType

import pandas as pd

from spear.analysis.records.run_folder import JOB
from spear.analysis.records.store import JOBS, experiment_folder, read
from spear.experiments.config.own_settings import compared

COMPARISON = "spear.analysis.paper."
"""Beginning of the modules from which tables take the paper's values and their verdicts."""

NOTES = "notes"
"""Key of a data frame's `attrs`: sentences, without full stop, on jobs left out or too short."""

SortedOut = tuple[dict[str, str], list[str], int]
"""A note on each job with other settings, by its name; one on shorter jobs for each length; and the
number of jobs."""


class NoOwnJobs(FileNotFoundError):
    """An experiment has results, but none with its own settings."""


def compares(module: ModuleType) -> bool:
    """Return whether a table's module shows values of the paper."""
    used = (getattr(each, "__module__", "") for each in vars(module).values())
    return any(str(each).startswith(COMPARISON) for each in used)


def own_batches(
    results: pd.DataFrame, experiments: tuple[str, ...], root: Path | None = None
) -> pd.DataFrame:
    """Return the batches of jobs with their experiment's settings, with `NOTES` on the others.

    Args:
        results: batches of these experiments.
        experiments: names of the experiments.
        root: as in `spear.analysis.records.store.experiment_folder`.

    Raises:
        NoOwnJobs: no job of an experiment has its settings.
    """
    notes: list[str] = []
    kept = pd.Series(True, index=results.index)
    for experiment in experiments:
        foreign, shorter, n_jobs = _sorted_out(experiment, root)
        if foreign and len(foreign) == n_jobs:
            raise NoOwnJobs(f"{'; '.join(foreign.values())}; run the experiment as it is.")
        kept &= ~((results["experiment"] == experiment) & results[JOB].isin([*foreign]))
        notes += [*foreign.values(), *shorter]
    own = results[kept].reset_index(drop=True)
    own.attrs[NOTES] = notes
    return own


def _sorted_out(experiment: str, root: Path | None) -> SortedOut:
    """Sort out the jobs of an experiment; of collected ones only once, until their file changes."""
    folder = experiment_folder(experiment, root)
    if (folder / JOBS).is_file():
        return _of_collected(experiment, folder, (folder / JOBS).stat().st_mtime_ns)
    return _of_folder(experiment, folder)


@cache
def _of_collected(experiment: str, folder: Path, changed: int) -> SortedOut:
    return _of_folder(experiment, folder)


def _of_folder(experiment: str, folder: Path) -> SortedOut:
    jobs = {name: job for recorded in read(folder) for name, job in recorded.jobs.items()}
    foreign: dict[str, str] = {}
    shorter: dict[tuple[int, int], list[str]] = {}
    for name, job in jobs.items():
        found = compared(experiment, job["config"], job["summary"])
        batches = job["summary"].get("n_batches", 0)
        if found.differences:
            foreign[name] = f"{experiment}, job {name}: not the experiment's settings ({found}), "
            foreign[name] += "not compared"
        elif batches < found.n_batches:
            shorter.setdefault((batches, found.n_batches), []).append(name)
    few = [
        f"{experiment}: fewer batches than the experiment's, {n} instead of {whole}, in "
        f"{len(names)} of {len(jobs)} jobs"
        for (n, whole), names in shorter.items()
    ]
    return foreign, few, len(jobs)
