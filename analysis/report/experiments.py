"""Experiments of the page: every job of every source, with the numbers of its panels."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from spear.analysis.overview import panels
from spear.analysis.overview.panels import Panel
from spear.analysis.records.collect import incomplete
from spear.analysis.render.rendering import origin
from spear.analysis.report.markup import data_uri
from spear.analysis.report.sources import Source
from spear.experiments.config.experiments import experiments as prepared
from spear.experiments.job.status import JobState


@dataclass(frozen=True)
class Value:
    """Number of a job in a panel: the text, and the share of the panel's width that it fills."""

    text: str
    share: float


@dataclass(frozen=True)
class JobRow:
    """Job with its choices, its count of exact batches, and the numbers of its panels."""

    name: str
    summary: dict[str, Any]
    values: list[Value]


@dataclass(frozen=True)
class Experiment:
    """Results of an experiment in one source.

    Attributes:
        name, description: name and text of its file in `conf/experiment/`; "" without a file.
        source: source of the results.
        panels: panels of its table.
        jobs: jobs, sorted by name.
        origin: hardware and code that it was measured with.
    """

    name: str
    description: str
    source: Source
    panels: list[Panel]
    jobs: list[JobRow]
    origin: str

    @property
    def failures(self) -> int:
        """Number of batches without a full reconstruction to score."""
        return sum(job.summary.get("failures", 0) for job in self.jobs)


@dataclass(frozen=True)
class Picture:
    """Picture of the reconstructions of a job's first batch."""

    experiment: str
    job: str
    source: Source
    path: Path

    def uri(self) -> str:
        """Address that contains the picture itself."""
        return data_uri(self.path)


def experiments(source: Source) -> list[Experiment]:
    """Return the experiments of a source, sorted by name."""
    return [
        _experiment(name, {job: each["summary"] for job, each in recorded.jobs.items()}, source)
        for name, recorded in source.experiments.items()
    ]


def pictures(source: Source, most: int) -> tuple[list[Picture], int]:
    """Return pictures of jobs, and the number of those left out.

    Every experiment has its first picture before any has its second.

    Args:
        source: source of the results.
        most: greatest number of pictures.
    """
    found = [
        (k, Picture(name, job, source, path))
        for name, recorded in source.experiments.items()
        for k, (job, path) in enumerate(
            (job, path) for job, path in recorded.pictures.items() if path.is_file()
        )
    ]
    ordered = [picture for _, picture in sorted(found, key=lambda each: each[0])]
    return ordered[:most], len(ordered[most:])


def unfinished(source: Source) -> list[tuple[Path, str]]:
    """Return the run folders that began but have no summary, each with its state and the reason."""
    return [(folder, _state(folder)) for folder in incomplete([source.root])]


def not_run(sources: list[Source]) -> dict[str, str]:
    """Return the prepared experiments without a job in any source -> description."""
    done = {name for source in sources for name in source.experiments}
    return {name: description(name) for name in sorted(prepared()) if name not in done}


def description(experiment: str) -> str:
    """Return the description in the experiment's file, or "" without such a file."""
    found = prepared().get(experiment)
    return found.description if found else ""


def _experiment(name: str, summaries: dict[str, dict[str, Any]], source: Source) -> Experiment:
    shown = panels.of_experiment(name)
    columns = [_values(panel, list(summaries.values())) for panel in shown]
    rows = [
        JobRow(job, summary, [column[k] for column in columns])
        for k, (job, summary) in enumerate(summaries.items())
    ]
    measured = origin(pd.json_normalize(list(summaries.values())))
    return Experiment(name, description(name), source, shown, rows, measured)


def _values(panel: Panel, summaries: list[dict[str, Any]]) -> list[Value]:
    """Return each job's number; the bars of a logarithmic panel begin a tenth below the least."""
    numbers = [_number(summary.get(panel.key)) for summary in summaries]
    there = [number for number in numbers if math.isfinite(number)]
    scaled = {number: _scaled(panel, number) for number in there}
    low = min(scaled.values(), default=0.0) - 1.0 if panel.logarithmic else 0.0
    high = max(scaled.values(), default=1.0) if panel.most is None else panel.most
    return [
        Value(panel.text.format(number), _share(scaled[number], low, high))
        if number in scaled
        else Value("-", 0.0)
        for number in numbers
    ]


def _state(folder: Path) -> str:
    """Return the outcome that a run folder records, with the reason if it has one."""
    state = JobState.read(folder)
    if state is None:
        return ""
    return f"{state.outcome}: {state.reason}" if state.reason else str(state.outcome)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _scaled(panel: Panel, number: float) -> float:
    return math.log10(max(number, 1e-300)) if panel.logarithmic else number


def _share(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.0
