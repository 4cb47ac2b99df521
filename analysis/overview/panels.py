"""What is watched of a job: the panels of the HTML report, and of the W&B workspaces alike.

A panel shows one number of the jobs' summaries (`spear.experiments.record.summary`). A table of the
paper has the panels of the values that the paper gives, and every experiment that of its seconds.
"""

from dataclasses import dataclass

import spear.analysis.tables
from spear.analysis.paper.comparison import PAPER, papers
from spear.analysis.render.rendering import modules


@dataclass(frozen=True)
class Panel:
    """One number of every job, side by side.

    Attributes:
        title: with the unit.
        key: of the summary.
        text: how a value is written, for `str.format`.
        logarithmic: whether values are best compared by their ratios.
        most: the largest value that there can be, if there is one.
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
        Panel("seconds a batch, median", "seconds_median", "{:.2g}", logarithmic=True),
    )
}

ALWAYS = ("accuracy", "psnr_mean", "seconds_median")
"""Of an experiment that is in no table of the paper's."""


def of_table(name: str) -> list[Panel]:
    """The panels of one of the paper's tables: those of the values that it gives, and seconds."""
    given = papers(name).columns
    keys = {f"{measure}{summary}" for measure in given for summary in ("", "_mean")}
    return [panel for key, panel in PANELS.items() if key in keys | {"seconds_median"}]


def paper_tables() -> dict[str, tuple[str, ...]]:
    """The tables whose values the paper gives, and the experiments that each shows."""
    return {
        name: module.EXPERIMENTS
        for name, module in modules(spear.analysis.tables).items()
        if (PAPER / f"{name}.csv").exists()
    }


def of_experiment(experiment: str) -> list[Panel]:
    """The panels of an experiment: those of the paper's table that shows it, or `ALWAYS`."""
    for name, experiments in paper_tables().items():
        if experiment in experiments:
            return of_table(name)
    return [PANELS[key] for key in ALWAYS]
