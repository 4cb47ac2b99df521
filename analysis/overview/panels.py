"""Panels of the HTML report and of the W&B workspaces, each for one number of the jobs.

The number is one of a job's summary (`spear.experiments.record.summary`). A table of the paper has
panels for the values that the paper gives. Every experiment has one for its seconds.
"""

from dataclasses import dataclass

import spear.analysis.tables
from spear.analysis.paper.comparison import PAPER, papers
from spear.analysis.render.packages import modules
from spear.analysis.render.rendering import experiments_of


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
