"""Dashboards in W&B. Needs the package `wandb-workspaces` (`pip install 'spear-suite[wandb]'`)."""

import wandb
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from spear.analysis.workspaces.board import Board
from spear.errors import ConfigError
from spear.experiments.config.experiments import all_names

MOST = 200
"""Most jobs in a panel; more than any table of the paper has cells."""


def workspace(board: Board, entity: str, project: str) -> ws.Workspace:
    """Return the W&B workspace: the table, a bar for each job, reconstructions and batches.

    Args:
        board: dashboard to show.
        entity: user or team.
        project: project with the runs.
    """
    bars = [
        wr.BarPlot(
            title=panel.title,
            metrics=[wr.SummaryMetric(panel.key)],
            max_runs_to_show=MOST,
            max_bars_to_show=MOST,
        )
        for panel in board.panels
    ]
    pictures = wr.MediaBrowser(media_keys=["reconstructions"])
    table = wr.MarkdownPanel(markdown=board.columns())
    sections = [
        ws.Section("The paper, Algorithm 1, ours", panels=[table], is_open=True),
        ws.Section("Jobs", panels=bars, is_open=True),
        ws.Section("Reconstructions", panels=[pictures], is_open=True),
        ws.Section("Batches", panels=[wr.WeavePanelSummaryTable(table_name="batches")]),
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
