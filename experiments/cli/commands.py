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
        """Run it.

        Raises:
            SystemExit: with the exit code, if it ends early or fails with a message of its own.
            SpearError: it cannot do what it is asked for.
        """
        function: Callable[[list[str]], None] = pkgutil.resolve_name(self.target)
        function(arguments)


SUBCOMMANDS = {
    "run": Subcommand(
        "spear.experiments.cli.run:command", "a job or a sweep; without a subcommand, too"
    ),
    "audit": Subcommand(
        "spear.experiments.cli.audit:main", "what an update of a model of your own gives away"
    ),
    "experiments": Subcommand(
        "spear.experiments.cli.experiments:main", "prepared experiments and how long each takes"
    ),
    "plan": Subcommand("spear.experiments.cli.plan:main", "how long a job or a sweep will take"),
    "show": Subcommand("spear.analysis.records.frames:main", "summaries of jobs in the terminal"),
    "collect": Subcommand(
        "spear.analysis.records.collect:main", "copy what jobs recorded to results/"
    ),
    "tables": Subcommand("spear.analysis.overview.tables:main", "the paper's tables and others"),
    "figures": Subcommand("spear.analysis.overview.figures:main", "the paper's figures and others"),
    "page": Subcommand(
        "spear.analysis.overview.results_page:main", "all of them on one page, results/RESULTS.md"
    ),
    "report": Subcommand(
        "spear.analysis.report.command:main", "all results and local runs as one HTML page"
    ),
    "claims": Subcommand(
        "spear.analysis.overview.claims:main", "every value of the paper's tables beside ours"
    ),
    "percentiles": Subcommand(
        "spear.analysis.statistics.percentiles:main", "the batches that Figures 10 to 13 show"
    ),
    "workspaces": Subcommand(
        "spear.analysis.workspaces.command:main", "dashboards of W&B, one for each table"
    ),
    "train-generator": Subcommand(
        "spear.experiments.cli.train_generator:main", "the generator that attack=gifd searches"
    ),
}
"""By name, in the order of `spear --help`."""


def listing() -> str:
    """Return a line for each subcommand, for the help."""
    width = max(map(len, SUBCOMMANDS))
    lines = [f"  spear {name:<{width}}  {each.summary}" for name, each in SUBCOMMANDS.items()]
    return "\n".join(lines)
