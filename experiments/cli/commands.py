"""The subcommands of `spear`, and what each is for."""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Subcommand:
    """A program of the suite.

    Attributes:
        target: `module:function`, imported when it is called; the function takes the arguments
            after the subcommand's name.
        summary: a line for `spear --help`.
    """

    target: str
    summary: str

    def __call__(self, arguments: list[str]) -> None:
        """Import the program and run it.

        Raises:
            SystemExit: the program ends early, or fails with a message of its own.
            SpearError: the program cannot do what the arguments ask for.
        """
        function: Callable[[list[str]], None] = pkgutil.resolve_name(self.target)
        function(arguments)


SUBCOMMANDS = {
    "run": Subcommand(
        "spear.experiments.cli.start:command", "run a job or a sweep (`run` may be left out)"
    ),
    "audit": Subcommand(
        "spear.experiments.cli.audit:main",
        "find the inputs that an update of your own model gives away",
    ),
    "experiments": Subcommand(
        "spear.experiments.cli.experiments:main", "list the prepared experiments and their minutes"
    ),
    "plan": Subcommand(
        "spear.experiments.cli.plan:main", "estimate how long a job or a sweep will take"
    ),
    "show": Subcommand("spear.analysis.records.commands:show", "print the summaries of jobs"),
    "collect": Subcommand(
        "spear.analysis.records.commands:collect", "copy the records of finished jobs to results/"
    ),
    "tables": Subcommand(
        "spear.analysis.overview.commands:tables", "render tables, the paper's and others"
    ),
    "figures": Subcommand(
        "spear.analysis.overview.commands:figures", "render figures, the paper's and others"
    ),
    "page": Subcommand(
        "spear.analysis.overview.commands:page",
        "put rendered tables and figures into results/RESULTS.md",
    ),
    "leaderboard": Subcommand(
        "spear.analysis.overview.commands:leaderboard",
        "rank exact attacks by setting, or print rows of your own to submit",
    ),
    "report": Subcommand(
        "spear.analysis.report.command:main", "render all results and local runs as one HTML page"
    ),
    "claims": Subcommand(
        "spear.analysis.overview.commands:claims",
        "compare every value of the paper's tables with ours",
    ),
    "percentiles": Subcommand(
        "spear.analysis.overview.commands:percentiles",
        "find the batches that Figures 10 to 13 show",
    ),
    "workspaces": Subcommand(
        "spear.analysis.workspaces.command:main",
        "write or publish W&B dashboards, one for each table",
    ),
    "train-generator": Subcommand(
        "spear.experiments.cli.train_generator:main",
        "train the generator that attack=gifd searches",
    ),
}
"""Subcommands by name, in the order of `spear --help`."""


def listing() -> str:
    """Return a line for each subcommand, for the help."""
    width = max(map(len, SUBCOMMANDS))
    lines = [f"  spear {name:<{width}}  {each.summary}" for name, each in SUBCOMMANDS.items()]
    return "\n".join(lines)
