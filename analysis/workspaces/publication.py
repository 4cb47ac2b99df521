"""Dashboards in W&B. Needs the package `wandb-workspaces` (`pip install 'spear-suite[wandb]'`)."""

from typing import Any

import wandb
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from spear.analysis.overview.panels import Panel, reference
from spear.analysis.workspaces.board import Board
from spear.errors import ConfigError
from spear.experiments.config.experiments import all_names
from spear.experiments.job.job import RECORDED_AS
from spear.experiments.tracking.wandb import CHOICES, IMAGES, RECONSTRUCTIONS, STEP

MOST = 200
"""Most jobs in a panel; more than any table of the paper has cells."""


def workspace(board: Board, entity: str, project: str) -> ws.Workspace:
    """Return the W&B workspace: the table, the jobs' numbers, reconstructions and batches.

    Numbers are drawn over each key that differs between the jobs, and as a bar for each choice that
    differs and for each job. W&B draws no reference lines into them, so the paper's values are in
    their titles and in the table.

    Args:
        board: dashboard to show.
        entity: user or team.
        project: project with the runs.
    """
    bars = [_bars(_title(board, panel), panel) for panel in board.panels]
    means = [_means(board, panel, group) for group in board.chosen for panel in board.panels]
    pictures = wr.MediaBrowser(media_keys=[RECONSTRUCTIONS, IMAGES])
    table = wr.MarkdownPanel(markdown=board.columns())
    scatters = [_scatter(board, panel, key) for key in board.over for panel in board.panels]
    compared = [*means, *scatters]
    sections = [
        *(
            [ws.Section("The paper, Algorithm 1, ours", panels=[table], is_open=True)]
            if board.columns()
            else []
        ),
        *([ws.Section("Over what was swept", panels=compared, is_open=True)] if compared else []),
        ws.Section("Jobs", panels=bars, is_open=True),
        ws.Section("Reconstructions", panels=[pictures], is_open=True),
        ws.Section("Batches", panels=[*_lines(), wr.WeavePanelSummaryTable(table_name="batches")]),
    ]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=board.name,
        sections=sections,
        settings=ws.WorkspaceSettings(max_runs=MOST),
        runset_settings=ws.RunsetSettings(
            filters=ws.And(ws.Metric("Group").isin(_groups(board))),
            pinned_columns=[f"summary:{panel.key}" for panel in board.panels],
        ),
    )


def _title(board: Board, panel: Panel) -> str:
    """Return a panel's title with the range of the paper's values, if it gives any."""
    said = reference(board.table, panel)
    return f"{panel.title} ({said})" if said else panel.title


def _bars(title: str, panel: Panel, **options: Any) -> wr.BarPlot:
    """Return bars of a number: one for each job, if the options do not group them."""
    return wr.BarPlot(
        title=title,
        metrics=[wr.SummaryMetric(panel.key)],
        max_runs_to_show=MOST,
        max_bars_to_show=MOST,
        **options,
    )


def _means(board: Board, panel: Panel, group: str) -> wr.BarPlot:
    """Return the mean of the jobs' number for each chosen file of a group."""
    key = f"{CHOICES}.{RECORDED_AS.get(group, group)}"
    options = {"groupby": wr.Config(key), "groupby_aggfunc": "mean", "aggregate": True}
    return _bars(f"{_title(board, panel)}, mean by {group}", panel, **options)


def _scatter(board: Board, panel: Panel, key: str) -> wr.ScatterPlot:
    """Return the jobs' number over a key of the configuration."""
    return wr.ScatterPlot(
        title=f"{_title(board, panel)} over {key}",
        x=wr.Config(key),
        y=wr.SummaryMetric(panel.key),
        log_y=panel.logarithmic,
        legend_template=f"${{config:{CHOICES}.attack}} ${{run:displayName}}",
    )


def _lines() -> list[wr.LinePlot]:
    """Return lines over the batches, a mean for each attack."""
    return [
        wr.LinePlot(
            title=f"{title}, batch by batch",
            x=STEP,
            y=[f"batch/{column}"],
            log_y=log,
            groupby=wr.Config(f"{CHOICES}.attack"),
        )
        for title, column, log in (("PSNR [dB]", "psnr", False), ("seconds", "seconds", True))
    ]


def _groups(board: Board) -> list[str]:
    """Return the groups of a board's runs: its experiments, by every name that they have had."""
    return [name for each in board.experiments for name in all_names(each)]


def publish(boards: list[Board], project: str, entity: str | None = None) -> list[str]:
    """Save every dashboard as a new view of a project.

    Args:
        boards: dashboards to publish.
        project: project with the runs.
        entity: user or team. If None, the default of the logged-in user.

    Returns:
        The addresses of the views.

    Raises:
        ConfigError: nobody is logged in, or W&B refuses.
    """
    try:
        whose = entity or wandb.Api().default_entity
        return [workspace(board, whose, project).save().url for board in boards]
    except wandb.Error as error:
        raise ConfigError(
            f"W&B does not take the workspaces ({' '.join(str(error).split())}); run `wandb login` "
            "first, or look at `spear report`, which shows the same panels without W&B."
        ) from error
