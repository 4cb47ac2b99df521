"""Panels of the HTML report and of the W&B workspaces, each for one number of the jobs.

The number is one of a job's summary (`spear.experiments.record.summary`). A table of the paper has
panels for the values that the paper gives. Every experiment has one for its seconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import spear.analysis.tables
from spear.analysis.paper.comparison import PAPER, SPEAR, papers
from spear.analysis.render.packages import modules
from spear.analysis.render.rendering import experiments_of
from spear.experiments.config.own_settings import is_harmless
from spear.experiments.job.job import CHOSEN


@dataclass(frozen=True)
class Panel:
    """Panel that shows one number of every job, side by side.

    Attributes:
        title: title with the unit.
        key: key of the summary.
        text: format of a value, for `str.format`.
        logarithmic: whether values are best compared by their ratios.
        most: the largest possible value, if there is one.
    """

    title: str
    key: str
    text: str = "{:.3g}"
    logarithmic: bool = False
    most: float | None = None


PANELS = {
    panel.key: panel
    for panel in (
        Panel("accuracy", "accuracy", "{:.0%}", most=1.0),
        Panel("PSNR [dB]", "psnr_mean", "{:.1f}"),
        Panel("SSIM", "ssim_mean", "{:.4f}"),
        Panel("LPIPS", "lpips_mean", "{:.2g}", logarithmic=True),
        Panel("MSE", "mse_mean", "{:.2g}", logarithmic=True),
        Panel("MAE", "mae_mean", "{:.2g}", logarithmic=True),
        Panel("categories right", "discrete_accuracy_mean", "{:.1%}", most=1.0),
        Panel("MAE of the numbers", "continuous_mae_mean", "{:,.1f}", logarithmic=True),
        Panel("feature similarity", "feature_similarity_mean", "{:.4f}"),
        Panel("seconds per batch, median", "seconds_median", "{:.2g}", logarithmic=True),
    )
}

ALWAYS = ("accuracy", "psnr_mean", "seconds_median")
"""Panels of an experiment that is in none of the paper's tables."""


def of_table(name: str) -> list[Panel]:
    """Return the panels of one of the paper's tables: for each value that it gives, and seconds."""
    given = papers(name).columns
    keys = {f"{measure}{summary}" for measure in given for summary in ("", "_mean")}
    return [panel for key, panel in PANELS.items() if key in keys | {"seconds_median"}]


def reference(name: str, panel: Panel) -> str:
    """Return the range of the paper's own values of a panel, in words; "" if it gives none."""
    if not (PAPER / f"{name}.csv").exists():
        return ""
    given = papers(name)
    column = panel.key.removesuffix("_mean").removesuffix("_median")
    if column not in given:
        return ""
    own = given[given["method"] == SPEAR] if "method" in given else given
    values = own[column].dropna() / (100 if panel.key == "accuracy" else 1)
    if values.empty:
        return ""
    ends = dict.fromkeys(panel.text.format(each) for each in (values.min(), values.max()))
    return f"the paper: {' to '.join(ends)}"


def swept(configs: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the numeric keys of the configuration that differ between jobs, in its order.

    Those that repeat or shorten a job, or say where it ran, are left out (`HARMLESS`).

    Args:
        configs: configuration of each job, with dotted keys.
    """
    values: dict[str, set[float]] = {}
    for config in configs:
        for key, value in config.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
                values.setdefault(key, set()).add(float(value))
    return tuple(key for key, each in values.items() if len(each) > 1 and not is_harmless(key))


def chosen(jobs: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the groups whose chosen files differ between jobs, such as `attack` or `defense`.

    Args:
        jobs: summary of each job, or its row of `spear.results(..., level="jobs")`.
    """
    names: dict[str, set[str]] = {group: set() for group in CHOSEN}
    for job in jobs:
        for group in CHOSEN:
            if isinstance(name := job.get(group), str):
                names[group].add(name)
    return tuple(group for group, each in names.items() if len(each) > 1)


def paper_tables() -> dict[str, tuple[str, ...]]:
    """Return the tables whose values the paper gives -> the experiments that each shows."""
    return {
        name: experiments_of(module)
        for name, module in modules(spear.analysis.tables).items()
        if (PAPER / f"{name}.csv").exists()
    }


def of_experiment(experiment: str) -> list[Panel]:
    """Return an experiment's panels: those of the paper's table that shows it, or `ALWAYS`."""
    for name, experiments in paper_tables().items():
        if experiment in experiments:
            return of_table(name)
    return [PANELS[key] for key in ALWAYS]
