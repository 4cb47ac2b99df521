"""The subcommand `spear report`."""

import argparse
import sys
from pathlib import Path

import spear.analysis.report
from spear.analysis.records.store import HERE, RESULTS
from spear.errors import ConfigError

OUTPUTS = Path("outputs")


def main(arguments: list[str]) -> None:
    """Run `spear report`: write the page.

    Raises:
        ConfigError: there is nothing to show.
        OSError: the page cannot be written.
    """
    parser = argparse.ArgumentParser(prog="spear report", description=spear.analysis.report.__doc__)
    parser.add_argument(
        "--results",
        nargs="+",
        type=Path,
        default=[RESULTS, HERE, OUTPUTS],
        help="folders of collected results or of runs [the results that come with the package, "
        "results/ and outputs/]",
    )
    parser.add_argument(
        "--to", type=Path, default=OUTPUTS / "report.html", help="file of the page [%(default)s]"
    )
    parser.add_argument(
        "--images",
        "--pictures",
        dest="images",
        type=int,
        default=24,
        help="most images to show from each folder [%(default)s]",
    )
    chosen = parser.parse_args(arguments)

    from spear.analysis.report.page import page  # after the help and wrong options
    from spear.analysis.report.sources import sources

    found = sources(chosen.results)
    if not found:
        where = " or ".join(map(str, chosen.results))
        raise ConfigError(f"there is no complete job in {where}; run one first.")
    chosen.to.parent.mkdir(parents=True, exist_ok=True)
    chosen.to.write_text(page(found, chosen.images), encoding="utf-8")
    sys.stderr.write(f"{chosen.to}\n")
