"""Results as one data frame: `spear.results("outputs")`."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
import yaml
from pandas.api.types import is_object_dtype

from spear.analysis.records.batch_frame import batch_frame, read_batch_frame
from spear.analysis.records.run_folder import (
    BATCH,
    JOB,
    Damaged,
    flat,
    read_config,
    read_named_summary,
    readable,
)
from spear.analysis.records.store import (
    HERE,
    JOBS,
    RESULTS,
    Recorded,
    collected_folders,
    experiment_folder,
    experiment_of,
    to_csv,
    union,
)
from spear.analysis.records.tracked import PREFIX, tracked_runs
from spear.errors import ConfigError, SpearError
from spear.experiments.config.experiments import current_name, experiment_name
from spear.experiments.config.spec import PLACES
from spear.experiments.job.job import CHOSEN, RECORDED_AS
from spear.experiments.job.lock import in_use
from spear.experiments.job.outcome import JobOutcome
from spear.experiments.job.status import JobState
from spear.experiments.record.files import shown
from spear.experiments.record.run_files import BATCHES, CONFIG, STATUS, SUMMARY, SUPERSEDED
from spear.experiments.record.summary import not_attacked, not_recovered
from spear.spelling import did_you_mean

Level = Literal["batches", "jobs"]

OUTPUTS = Path(PLACES["output_root"])
"""Folder below the working directory into which the command writes."""

OUTCOME, REASON = "outcome", "reason"

LEADING = ("experiment", JOB, OUTCOME, REASON)
"""First columns; the choices follow them."""

KEYS = ("batch_size", "n_batches", "seed", "device")
"""Keys of the configuration that stand before the results; the others come after them."""

COUNTS = ("batch_size", "n_batches", "seed")
"""Those of them that are whole numbers."""

PROVENANCE = ("git_sha", "git_dirty", "versions", "hardware", "command", "started",
    "wall_seconds", "earlier_runs", "data_hash", "key")  # fmt: skip
"""Entries of a summary that say where its numbers come from."""

ENDED = "its process ended without a message"


@dataclass(frozen=True)
class _Found:
    """Jobs, each with outcome and reason, and their batches, by the names that the frame has."""

    jobs: dict[str, dict[str, Any]]
    batches: pd.DataFrame


class Row(NamedTuple):
    """End of a batch, as `batches.csv` has it (`spear.experiments.record.summary.Ended`)."""

    batch: int
    status: str
    failure: str


class NoResults(SpearError, FileNotFoundError):
    """A folder does not exist, or has no results in it."""


def results(
    path: str | Path | None = None, level: Level = "batches", group: str | None = None
) -> pd.DataFrame:
    """Return all results at or below a folder, or of a W&B project, by batch or by job.

    Args:
        path: folder of runs (`outputs/main`) or of collected results, or the name of an experiment
            with committed results (`table9`). None for `outputs`, where the command writes.
            `wandb:entity/project` reads the runs of that project from W&B.
        level: `"batches"` or `"jobs"`. A job without a single batch has one row in either.
        group: group of the W&B runs to read, a sweep's name or its experiment; None for all.

    Returns:
        The first columns describe the job. `experiment`; `job`, its run folder, which no two jobs
        share; `outcome` (`done`, `failed`, `interrupted` or `running`) and the `reason` of a
        failure, of batches without a full reconstruction or of a limit that was reached; then the
        chosen files (`dataset`, `network`, `attack`, `attack/settings`, `defense` ...) and
        `batch_size`, `n_batches`, `seed` and `device`. Next come the results: per batch `batch`,
        its number, and the columns of `batches.csv` (`status`, `psnr`, `recovered`, `seconds`,
        `failure` ..., `details.starts` for what the attack counted); per job the numbers of
        `summary.json` (`psnr_mean`, `accuracy`, `seconds_median` ...). The last columns are all
        other keys by their names on the command line (`network.width`), and the provenance
        (`git_sha`, `hardware.cpu`, `versions.torch` ...). What a job lacks is missing. `job` and
        `batch` together are different in every row. Results that were set aside (`.superseded`) are
        left out.

    Raises:
        NoResults: there is no such folder and no such experiment, or no job in it.
        ConfigError: there is no such level, a group is given for a folder, or W&B refuses.
    """
    if str(path).startswith(PREFIX):
        return _of_project(str(path).removeprefix(PREFIX), level, group)
    if group is not None:
        raise ConfigError(
            f"group is {group!r}, but {str(path)!r} is a folder; expected a path such as "
            f"'{PREFIX}entity/project', or the folder of the sweep without a group."
        )
    folder = _located(path)
    runs = job_folders(folder)
    found = [_of_runs(runs, level)] if runs else []
    found += [_of_collected(each) for each in collected_folders(folder)]
    if not found:
        raise NoResults(
            f"there are no results in {folder}; expected a folder of runs, such as {OUTPUTS}, or "
            f"of collected results."
        )
    return _frame(found, level)


def results_of(folders: Iterable[Path], level: Level = "batches") -> pd.DataFrame:
    """Return the results in some run folders, as `results` does; no row if there are none."""
    there = [each for each in folders if any((each / name).exists() for name in (SUMMARY, STATUS))]
    return _frame([_of_runs(there, level)], level) if there else pd.DataFrame()


def job_folders(root: Path) -> list[Path]:
    """Return the folders of all jobs at or below `root`, complete or not, sorted."""
    names = (SUMMARY, STATUS, BATCHES)
    found = {path.parent for name in names for path in root.resolve().rglob(name)}
    return sorted(
        each for each in found if SUPERSEDED not in each.parts and not (each / JOBS).exists()
    )


def _located(path: str | Path | None) -> Path:
    folder = OUTPUTS if path is None else Path(path)
    if folder.is_dir():
        return folder
    if path is None:
        raise NoResults(
            f"there is no folder {OUTPUTS} in {Path.cwd()}; run a job first, or give the folder of "
            "your results."
        )
    collected = experiment_folder(current_name(str(path)))
    if (collected / JOBS).is_file():
        return collected
    known = [each.name for root in (HERE, RESULTS) for each in collected_folders(root)]
    expected = "expected a folder of results, or the name of an experiment with committed results"
    raise NoResults(f"{str(path)!r} does not exist; {did_you_mean(path, known, expected)}.")


def _of_project(project: str, level: Level, group: str | None) -> pd.DataFrame:
    runs = dict(tracked_runs(project, group))
    if not runs:
        whose = f" in the group {group!r}" if group else ""
        raise NoResults(f"there are no runs{whose} in the W&B project {project!r}.")
    jobs = {name: run.job | {OUTCOME: run.outcome, REASON: ""} for name, run in runs.items()}
    rows = {name: run.rows for name, run in runs.items() if run.rows}
    batches = batch_frame(to_csv(rows)) if rows else _together([])
    return _frame([_Found(jobs, batches)], level)


def _of_collected(folder: Path) -> _Found:
    found = Recorded.from_collected(folder)
    place = folder.name if folder.parent == RESULTS else shown(folder).as_posix()
    done = {OUTCOME: JobOutcome.DONE, REASON: ""}
    jobs = {f"{place}/{name}": job | done for name, job in found.jobs.items()}
    with readable(folder / BATCHES):
        batches = batch_frame(found.batches)
    batches[JOB] = f"{place}/" + batches[JOB]
    return _Found(jobs, batches)


def _of_runs(folders: Iterable[Path], level: Level) -> _Found:
    jobs: dict[str, dict[str, Any]] = {}
    frames = []
    for folder in folders:
        name = shown(folder).as_posix()
        try:
            jobs[name] = _job(folder)
            if level == "batches" and (folder / BATCHES).exists():
                own = read_batch_frame(folder)
                own.insert(0, JOB, name)
                frames.append(own)
        except Damaged as error:
            jobs[name] = _unread(str(error))
    return _Found(jobs, _together(frames))


def _together(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Return batches of several jobs; a column that only some have stands as these have it."""
    filled = [each for each in frames if len(each)]
    if not filled:
        return pd.DataFrame({JOB: [], BATCH: []})
    order = union(dict.fromkeys(tuple(map(str, each)) for each in filled))
    return pd.concat(filled, ignore_index=True)[order]


def _unread(reason: str) -> dict[str, Any]:
    """Return a job of which a file is damaged: counted as failed, with the reason."""
    said = {"experiment": experiment_name(None)}
    return {"config": {}, "summary": said, OUTCOME: JobOutcome.FAILED, REASON: reason}


def _job(folder: Path) -> dict[str, Any]:
    """Return what a run folder says of its job; of one without a summary, what was asked for."""
    state = JobState.read(folder) or JobState(JobOutcome.INTERRUPTED, ENDED)
    if (folder / SUMMARY).exists():
        summary = read_named_summary(folder)
        state.outcome, state.reason = _ended(folder)
    else:
        summary = {"experiment": experiment_name(state.choices.get("experiment"))} | {
            RECORDED_AS.get(group, group): choice
            for group, choice in state.choices.items()
            if group.split("/")[0] in CHOSEN
        }
        if state.outcome is JobOutcome.RUNNING and not in_use(folder):
            state.outcome, state.reason = JobOutcome.INTERRUPTED, ENDED
    return {
        "config": _config(folder, state.overrides),
        "summary": summary,
        OUTCOME: state.outcome,
        REASON: state.reason,
    }


def _ended(folder: Path) -> tuple[JobOutcome, str]:
    """Return the end of a complete job and its reason, as the table of its sweep has them."""
    if not (folder / BATCHES).exists():
        return JobOutcome.DONE, ""
    frame = read_batch_frame(folder)[["batch", "status", "failure"]]
    rows = [Row(*each) for each in frame.fillna({"failure": ""}).itertuples(index=False)]
    failed = not_attacked(rows)
    return (JobOutcome.FAILED, failed) if failed else (JobOutcome.DONE, not_recovered(rows))


def _config(folder: Path, overrides: list[str]) -> dict[str, Any]:
    """Return the resolved configuration; before a job has one, what its command set."""
    if (folder / CONFIG).exists():
        return read_config(folder)
    given = [each.lstrip("+").partition("=") for each in overrides if not each.startswith("~")]
    return {key: yaml.safe_load(value) for key, _, value in given}


def _frame(found: list[_Found], level: Level) -> pd.DataFrame:
    if level not in ("batches", "jobs"):
        raise ConfigError(f"level is {level!r}; expected 'batches' or 'jobs'.")
    described = {name: _described(job) for each in found for name, job in each.jobs.items()}
    jobs = pd.DataFrame([first | {JOB: name} for name, (first, _, _) in described.items()])
    rest = pd.DataFrame([rest for _, _, rest in described.values()])
    if level == "jobs":
        numbers = pd.DataFrame([numbers for _, numbers, _ in described.values()])
    else:
        numbers = pd.concat([each.batches for each in found], ignore_index=True)
        place = pd.Series(range(len(jobs)), index=list(described))
        without = sorted({*described} - {*numbers[JOB]})
        numbers = pd.concat([numbers, pd.DataFrame({JOB: without})], ignore_index=True)
        numbers = numbers.iloc[numbers[JOB].map(place).argsort(kind="stable")]
        places = place.loc[numbers.pop(JOB)].to_numpy()
        jobs, rest = jobs.iloc[places], rest.iloc[places]
    parts = [each.reset_index(drop=True) for each in (_ordered(jobs), numbers, rest)]
    frame = pd.concat(parts, axis=1)
    return _typed(frame.loc[:, ~frame.columns.duplicated()])


def _described(job: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the first columns of a job, the numbers of its summary, and its last columns."""
    config, summary = flat(job["config"]), job["summary"]
    shown_as = {recorded: group for group, recorded in RECORDED_AS.items()}
    chosen = {
        shown_as.get(key, key): value
        for key, value in summary.items()
        if shown_as.get(key, key).split("/")[0] in CHOSEN
    }
    keys = {key: config.get(key, summary.get(key)) for key in KEYS}
    said = {"experiment": experiment_of(job), OUTCOME: str(job[OUTCOME]), REASON: job[REASON]}
    origin = {key: summary[key] for key in PROVENANCE if key in summary}
    known = {*said, *chosen, *keys, *config, *origin, *RECORDED_AS.values()}
    numbers = {key: value for key, value in flat(summary).items() if key.split(".")[0] not in known}
    return said | chosen | keys, numbers, config | flat(origin)


def _ordered(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return the first columns with the job's name and outcome in front, then the choices."""
    groups = [each for group in CHOSEN for each in jobs if str(each).split("/")[0] == group]
    return jobs[[*LEADING, *groups, *KEYS]]


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with whole numbers and truth values as such, though some are missing."""
    for count in {BATCH, *COUNTS} & {*frame}:
        if count == BATCH or frame[count].dtype == float:
            frame[count] = frame[count].astype("Int64")
    for name in [each for each in frame if is_object_dtype(frame[each])]:
        there = frame[name].dropna()
        if len(there) and all(isinstance(each, bool) for each in there):
            frame[name] = frame[name].astype("boolean")
    return frame
