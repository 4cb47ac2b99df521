"""The subcommand `spear workspaces`: `write` or `publish`."""

import argparse
import sys

import spear.analysis.workspaces
from spear.errors import ConfigError


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
    chosen = parser.parse_args(arguments)

    from spear.analysis.workspaces.board import Board, files, write  # after the help

    if chosen.command == "write":
        sys.stdout.writelines(f"{path}\n" for path in write())
        return
    try:
        from spear.analysis.workspaces.publication import publish
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the package wandb-workspaces is missing: pip install 'spear-suite[wandb]'."
        ) from error
    boards = [Board.from_yaml(path) for path in files().values()]
    addresses = publish(boards, chosen.project, chosen.entity)
    sys.stdout.writelines(f"{address}\n" for address in addresses)
