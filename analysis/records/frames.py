"""Summaries and batches of jobs as data frames, from run folders or from collected results."""

from pathlib import Path
from typing import Any

import pandas as pd

from spear.analysis.records.batch_frame import batch_frame
from spear.analysis.records.run_folder import JOB, flat, read_summary
from spear.analysis.records.store import (
    Recorded,
    collected_folders,
    read,
    read_jobs,
    run_folders,
)
from spear.experiments.config.experiments import current_name


def load_summaries(root: Path) -> pd.DataFrame:
    """Return the summary of every complete job below `root`, a row each, or no row.

    Args:
        root: folder of runs or of collected results.

    Returns:
        The column `job` is the job's name. Nested entries (versions, hardware) become dotted
        columns.
    """
    rows = [{JOB: folder.name, **_present(read_summary(folder))} for folder in run_folders(root)]
    for folder in collected_folders(root):
        rows += [{JOB: name, **_present(job["summary"])} for name, job in read_jobs(folder).items()]
    table = pd.json_normalize(rows)
    keys = [key for key in ("dataset", "attack", "batch_size", "seed") if key in table]
    return table.sort_values(keys, ignore_index=True) if keys else table


def load_batches(root: Path) -> pd.DataFrame:
    """Return every batch of every complete job below `root`, a row each, or no row.

    Args:
        root: folder of runs or of collected results; both give the same table.

    Returns:
        The column `job` is the job's name. Then come the columns of `batches.csv`, one for each
        entry of `details` (`details.starts`), and those of the job: its configuration
        (`network.width`) and its summary with the chosen files (`attack`, `attack/settings`). If
        batch and job have the same column, it has the batch's value. `picture`, `sheet` and
        `texts` are the paths of the job's images and sentences, which may not exist.

    Raises:
        ValueError: a job's configuration and its summary give one column different values.
    """
    tables = [_batches(recorded) for recorded in read(root)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _batches(recorded: Recorded) -> pd.DataFrame:
    batches = batch_frame(recorded.batches)
    jobs = pd.DataFrame(
        [
            _columns(name, job)
            | {"picture": str(recorded.pictures[name]), "sheet": str(recorded.sheets[name])}
            | ({"texts": str(recorded.texts[name])} if recorded.texts else {})
            for name, job in recorded.jobs.items()
        ],
        index=list(recorded.jobs),
    )
    columns = [each for each in jobs if each not in batches or str(each).startswith("details.")]
    of_batches = jobs[columns].loc[batches[JOB]]
    return pd.concat([batches, of_batches.reset_index(drop=True)], axis=1)


def _columns(name: str, job: dict[str, Any]) -> dict[str, Any]:
    """Return a job's configuration and summary with dotted keys; a key of both, once."""
    config, summary = flat(job["config"]), flat(_present(job["summary"]))
    for key in config.keys() & summary.keys():
        if config[key] != summary[key]:
            raise ValueError(
                f"job {name!r} has {key!r} as {config[key]!r} in its configuration and as "
                f"{summary[key]!r} in its summary; a column holds one of them: rename the other."
            )
    return config | summary


def _present(summary: dict[str, Any]) -> dict[str, Any]:
    """Return a summary with the present name of its experiment, which may have had another."""
    if "experiment" not in summary:
        return summary
    return summary | {"experiment": current_name(summary["experiment"])}
