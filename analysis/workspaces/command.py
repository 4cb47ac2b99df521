"""The subcommand `spear workspaces`: `write` or `publish`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import spear.analysis.workspaces
from spear.errors import ConfigError, SpearError

if TYPE_CHECKING:
    import pandas as pd


def main(arguments: list[str]) -> None:
    """Run `spear workspaces`.

    Raises:
        ConfigError: the dashboards cannot be published.
    """
    parser = argparse.ArgumentParser(
        prog="spear workspaces", description=spear.analysis.workspaces.__doc__
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write", help="write the files anew from the tables")
    publishing = commands.add_parser("publish", help="save every file as a view of a W&B project")
    publishing.add_argument(
        "--project", default="spear", help="project with the runs [%(default)s]"
    )
    publishing.add_argument("--entity", help="user or team [your default]")
    publishing.add_argument(
        "--group",
        help="only a dashboard of this group of runs: the name of a sweep, or of an experiment",
    )
    publishing.add_argument(
        "--results",
        type=Path,
        help="folder of that group's runs, from which it is seen what differs between them "
        "[outputs/GROUP if it is there, else the runs in W&B]",
    )
    chosen = parser.parse_args(arguments)

    jobs = _jobs(chosen) if chosen.command == "publish" and chosen.group else None

    from spear.analysis.workspaces.board import Board, files, write  # after the help

    if chosen.command == "write":
        sys.stdout.writelines(f"{path}\n" for path in write())
        return
    try:
        from spear.analysis.workspaces.publication import publish
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the package wandb-workspaces is not installed; run `pip install "
            "'spear-suite[wandb]'`, or in a checkout `pip install '.[wandb]'`."
        ) from error
    if jobs is not None:
        boards = [Board.of_group(chosen.group, jobs)]
    else:
        boards = [Board.from_yaml(path) for path in files().values()]
    addresses = publish(boards, chosen.project, chosen.entity)
    sys.stdout.writelines(f"{address}\n" for address in addresses)


def _jobs(chosen: argparse.Namespace) -> "pd.DataFrame":
    """Return the jobs of a group, from its folder of runs or else from W&B."""
    from spear.analysis.records.results import OUTPUTS, results

    folder: Path = chosen.results or OUTPUTS / chosen.group
    if chosen.results or folder.is_dir():
        return results(folder, "jobs")
    project = "/".join(filter(None, (chosen.entity, chosen.project)))
    try:
        return results(f"wandb:{project}", "jobs", chosen.group)
    except SpearError as error:
        raise ConfigError(
            f"there is no folder {folder} of the group {chosen.group!r}, and {error}"
        ) from error
