"""The commands' old names, kept for one version: each runs what it is called today."""

import sys
from pathlib import Path

from spear.experiments.cli import entry
from spear.experiments.config.moved import hint

PROGRAMS = {
    "analysis.claims": "claims",
    "analysis.collect": "collect",
    "analysis.figures": "figures",
    "analysis.page": "page",
    "analysis.percentiles": "percentiles",
    "analysis.report": "report",
    "analysis.summaries": "show",
    "analysis.tables": "tables",
    "analysis.workspaces": "workspaces",
    "experiments.cli": "run",
    "experiments.main": "run",
    "experiments.train_generator": "train-generator",
}
"""Programs that `python -m NAME` ran in a checkout's root, and the subcommand of each."""


def main() -> None:
    """Run the console script `spear-NAME` as `spear NAME`."""
    script = Path(sys.argv[0]).stem
    _run(script, script.removeprefix("spear-"))


def run_module(package: str) -> None:
    """Run the subcommand that `python -m analysis.NAME` or `experiments.NAME` is now, then exit.

    Args:
        package: the package imported by its old name, because a program in it is run or because
            somebody imports it.

    Raises:
        ImportError: the package is imported, or it had no such program.
    """
    located = sys.argv[0] == "-m"  # as long as Python looks for the module to run
    name = next((each for each in sys.orig_argv if each.startswith(f"{package}.")), "")
    if not located or name not in PROGRAMS:
        raise ImportError(
            f"{package!r} is 'spear.{package}' now, and its programs are subcommands of spear: "
            "see `spear --help`."
        )
    _run(f"python -m {name}", PROGRAMS[name])
    sys.exit()


def _run(old: str, name: str) -> None:
    given = sys.argv[1:]
    if name == entry.DEFAULT:  # whose old name took subcommands, too
        name, given = entry.chosen(given)
    sys.stderr.write(hint("command", old, f"spear {name}") + "\n")
    sys.argv = ["spear", name, *given]
    entry.main()
