"""Copies of the records of finished jobs, which `spear collect` puts into `results/`."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from spear.analysis.records.run_folder import read_experiment
from spear.analysis.records.sharing import to_json
from spear.analysis.records.store import (
    JOBS,
    Recorded,
    Rows,
    collected_picture,
    collected_sheet,
    collected_text,
    run_folders,
    to_csv,
)
from spear.analysis.records.sums import read_sums, write_sums
from spear.errors import SpearError
from spear.experiments.config.experiments import current_name
from spear.experiments.record.run_files import BATCHES, BEGUN, SUMMARY


class CannotCollect(SpearError):
    """Nothing can be collected, or two jobs would be written to one place."""


@dataclass(frozen=True)
class Collected:
    """Result of collecting one experiment.

    Attributes:
        folder: folder with its collected files.
        jobs: names of the jobs collected now.
        kept: number of other jobs, collected before.
    """

    folder: Path
    jobs: list[str]
    kept: int


def collect(
    sources: list[Path],
    results: Path,
    pictures: bool = False,
    sheets: bool = False,
    texts: bool = False,
) -> list[Collected]:
    """Collect every complete job at or below some folders.

    Args:
        sources: folders of runs, such as `outputs/<experiment>`.
        results: folder of collected results, with a folder for each experiment.
        pictures: whether to collect the picture of each job's first batch, too, made small. Else
            an earlier picture of a collected job is deleted.
        sheets: whether to collect the same images without labels
            (`spear.scoring.sheet.image_sheet`). Else earlier ones are deleted in the same way.
        texts: whether to collect the sentences or rows of a table of that batch, likewise.

    Returns:
        The experiments, sorted by name. The sums of their files are renewed
        (`spear.analysis.records.sums`).

    Raises:
        CannotCollect: a folder does not exist, none has a complete job, two have the same job, or a
            wanted file is missing. Nothing has been written in these cases.
        BrokenSums: see `read_sums`. Nothing has been written either.
    """
    read_sums(results)
    experiments = _by_experiment(sources)
    if not experiments:
        where = " or ".join(map(str, sources))
        raise CannotCollect(f"there is no complete job (none with a {SUMMARY}) in {where}.")
    found = {name: Recorded.from_runs(jobs.values()) for name, jobs in experiments.items()}
    options = {"pictures": pictures, "sheets": sheets, "texts": texts}
    for option, wanted in options.items():
        files = [path for each in found.values() for path in getattr(each, option).values()]
        missing = [path for path in files if not path.is_file()]
        if wanted and missing:
            raise CannotCollect(f"{missing[0]} is missing; collect without --{option}.")
    written = [
        _write(recorded, results / name, options) for name, recorded in sorted(found.items())
    ]
    write_sums(results, found)
    return written


def incomplete(sources: list[Path]) -> list[Path]:
    """Return the folders of jobs at or below `sources` that began but have no summary, sorted."""
    begun = {path.parent for source in sources for name in BEGUN for path in source.rglob(name)}
    return sorted(job for job in begun if not any((job / end).exists() for end in (SUMMARY, JOBS)))


def _by_experiment(sources: list[Path]) -> dict[str, dict[str, Path]]:
    """Return experiment -> job -> folder of every complete job."""
    experiments: dict[str, dict[str, Path]] = {}
    for source in sources:
        if not source.is_dir():
            raise CannotCollect(f"the folder {source} does not exist.")
        for folder in run_folders(source):
            experiment = current_name(read_experiment(folder))
            other = experiments.setdefault(experiment, {}).setdefault(folder.name, folder)
            if other != folder:
                raise CannotCollect(
                    f"{other} and {folder} are the same job of {experiment}; collect one of them."
                )
    return experiments


def _write(recorded: Recorded, folder: Path, options: dict[str, bool]) -> Collected:
    jobs, rows = _portable(recorded)
    if (folder / JOBS).exists():
        before = Recorded.from_collected(folder)
        jobs, rows = before.jobs | jobs, before.rows() | rows
    folder.mkdir(parents=True, exist_ok=True)
    for name in recorded.jobs:
        picture, sheet = collected_picture(folder, name), collected_sheet(folder, name)
        text = collected_text(folder, name)
        for earlier in (picture, sheet, text):
            earlier.unlink(missing_ok=True)
        if options["pictures"]:
            image = Image.open(recorded.pictures[name]).convert("RGB")
            image.save(picture, quality=85, optimize=True)  # less than half of the PNG
        if options["sheets"]:
            shutil.copyfile(recorded.sheets[name], sheet)
        if options["texts"]:
            shutil.copyfile(recorded.texts[name], text)
    (folder / BATCHES).write_text(to_csv(rows), encoding="utf-8")
    (folder / JOBS).write_text(to_json(dict(sorted(jobs.items()))), encoding="utf-8")
    return Collected(folder, sorted(recorded.jobs), len(jobs) - len(recorded.jobs))


def _portable(recorded: Recorded) -> tuple[dict[str, dict[str, Any]], Rows]:
    """Return jobs and batches without the folders of the machine that they ran on."""
    jobs, rows = dict(recorded.jobs), recorded.rows()
    roots = {name: _roots(job["config"]) for name, job in recorded.jobs.items()}
    # Few folders are those of many jobs, and the text of their batches is long.
    told = {here for here in set().union(*roots.values()) if here.rstrip("/") in recorded.batches}
    for name, job in recorded.jobs.items():
        jobs[name] = _replaced(job, roots[name])
        if not told.isdisjoint(roots[name]):
            rows[name] = _replaced(rows[name], roots[name])
    return jobs, rows


def _roots(config: dict[str, Any]) -> dict[str, str]:
    """Folders of the machine that a job's configuration names, and what stands in their place."""
    return {config["data_root"]: "data", config["output_root"]: "outputs"}


def _replaced(value: Any, roots: dict[str, str]) -> Any:
    """Return a nested value with the folders renamed in all of its texts."""
    if isinstance(value, dict):
        return {key: _replaced(each, roots) for key, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, roots) for each in value]
    if isinstance(value, str):
        for here in sorted(roots, key=len, reverse=True):  # one may lie in the other
            # A plain word is no folder of a machine, and may be that of a data set.
            if "/" in here.rstrip("/"):
                value = value.replace(here.rstrip("/"), roots[here])
    return value
