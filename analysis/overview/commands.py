"""The subcommands `spear tables`, `figures`, `page`, `claims` and `percentiles`.

Loaded before pandas and matplotlib, so that help and wrong options need not wait for them.
"""

import argparse
import sys
from pathlib import Path
from types import ModuleType

import spear.analysis.figures
import spear.analysis.tables
from spear.analysis.records.store import HERE, RENDERED
from spear.analysis.render.packages import check_names, kind, names

PAGE = """Every rendered figure and table on one page: `spear page` writes `results/RESULTS.md`.

It renders nothing itself. It shows the files in `results/rendered/`, and instead of those missing
there the ones that come with the package.
"""

CLAIMS = """Every value of the paper's tables, its method run again, and ours: `spear claims`.

Two kinds of verdict. `reproduced`, on Algorithm 1 or a rival as this suite runs it: "yes" if the
paper's value lies within the 95 % intervals, "exceeded", or "no". `ours`, on the descent beside the
paper's SPEAR: "better", "equal" or "worse". "undecided": too few batches. Times are as measured,
with their hardware and without a verdict. A value without a record says so. Jobs whose settings are
not those of their experiment are left out; these and jobs with fewer batches are named at the end.
For each "no" and each "worse", `analysis/paper/deviations.csv` must say why.
"""

LEADERBOARD = """Exact attacks by setting: `spear leaderboard`, of the committed records.

`spear leaderboard --row outputs/NAME` prints the rows of your own runs, with where they come from,
to submit them in an issue. `spear experiments --write docs` renews the page docs/leaderboard.md.
"""

PERCENTILES = """Batches of Table 3 that Figures 10 to 13 show: `spear percentiles`.

It prints their numbers as the sweep in `conf/experiment/paper/figures10_13.yaml`.
"""


def tables(arguments: list[str]) -> None:
    """Run `spear tables`; exit with 1 at the end if one cannot be rendered, or differs (--check).

    Raises:
        ConfigError: there is no table of that name.
    """
    parser = _parser(spear.analysis.tables)
    chosen = parser.parse_args(arguments)
    check_names(spear.analysis.tables, chosen.names)

    from spear.analysis.overview.tables import write
    from spear.analysis.render.rendering import checked, render

    work = checked if chosen.check else render
    said = work(spear.analysis.tables, write, chosen.names, chosen.results, _to(chosen, "tables"))
    parser.exit(1 if said[1] else 0, "".join(said))


def figures(arguments: list[str]) -> None:
    """Run `spear figures`; exit with 1 at the end if one cannot be rendered, or differs (--check).

    Raises:
        ConfigError: there is no figure of that name.
    """
    parser = _parser(spear.analysis.figures)
    chosen = parser.parse_args(arguments)
    check_names(spear.analysis.figures, chosen.names)

    from spear.analysis.overview.figures import write
    from spear.analysis.render.rendering import checked, render

    work = checked if chosen.check else render
    said = work(spear.analysis.figures, write, chosen.names, chosen.results, _to(chosen, "figures"))
    parser.exit(1 if said[1] else 0, "".join(said))


def page(arguments: list[str]) -> None:
    """Run `spear page`."""
    parser = argparse.ArgumentParser(prog="spear page", description=PAGE)
    parser.add_argument("--to", type=Path, default=HERE, help="folder to write to [%(default)s]")
    folder = parser.parse_args(arguments).to
    folder.mkdir(parents=True, exist_ok=True)

    from spear.analysis.overview import results_page

    (folder / results_page.PAGE).write_text(results_page.page(folder=folder), encoding="utf-8")
    sys.stderr.write(f"{folder / results_page.PAGE}\n")


def claims(arguments: list[str]) -> None:
    """Run `spear claims`; exit with 1 if a "no" or a "worse" has no recorded reason."""
    parser = argparse.ArgumentParser(prog="spear claims", description=CLAIMS)
    _add_results_option(parser)
    root = parser.parse_args(arguments).results

    from spear.analysis.overview.claims import report

    said, unexplained = report(root)
    parser.exit(1 if unexplained else 0, said)


def leaderboard(arguments: list[str]) -> None:
    """Run `spear leaderboard`.

    Raises:
        ConfigError: the folder has no complete job, or no results come with the package.
    """
    parser = argparse.ArgumentParser(prog="spear leaderboard", description=LEADERBOARD)
    parser.add_argument(
        "--row", type=Path, metavar="FOLDER", help="folder of runs or of collected results"
    )
    folder = parser.parse_args(arguments).row

    from spear.analysis.overview.leaderboard import page, submitted

    sys.stdout.write(submitted(folder) if folder else page())


def percentiles(arguments: list[str]) -> None:
    """Run `spear percentiles`."""
    parser = argparse.ArgumentParser(prog="spear percentiles", description=PERCENTILES)
    _add_results_option(parser)
    root = parser.parse_args(arguments).results

    from spear.analysis.render.rendering import load
    from spear.analysis.statistics.percentiles import shown

    numbers = shown(load(("table3",), root)).values()
    sys.stdout.write(f"first_batch: {','.join(map(str, numbers))}\n")


def _parser(package: ModuleType) -> argparse.ArgumentParser:
    """Return the parser of the subcommand that renders tables or figures."""
    about = (package.__doc__ or "").partition("\n\n")[0]
    parser = argparse.ArgumentParser(prog=f"spear {kind(package)}", description=about)
    parser.add_argument("names", nargs="*", help=f"{', '.join(names(package))} [all of them]")
    _add_results_option(parser)
    folder = f"{RENDERED}/{kind(package)}"
    parser.add_argument(
        "--to",
        type=Path,
        help=f"folder to write to [{HERE / folder}; with --results, {folder} in that folder]",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit with 1 unless the files in --to are what the records give",
    )
    return parser


def _to(chosen: argparse.Namespace, kind: str) -> Path:
    """Folder to write to: what is made of other results never replaces the committed files."""
    folder: Path = chosen.to or (chosen.results or HERE) / RENDERED / kind
    return folder


def _add_results_option(parser: argparse.ArgumentParser) -> None:
    """Add the option `--results`; its default is None (see `store.experiment_folder`)."""
    parser.add_argument(
        "--results",
        type=Path,
        help="folder to read from, with a folder of runs or collected results for each experiment "
        "[results/ for what was collected there, the results that come with the package for the "
        "rest]",
    )
