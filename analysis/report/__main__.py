"""Command line: `spear-report [FOLDER ...]`, or `python -m spear.analysis.report`."""

import argparse
from pathlib import Path

import spear.analysis.report
from spear.analysis.records.store import RESULTS
from spear.analysis.report.page import page
from spear.analysis.report.sources import sources

OUTPUTS = Path("outputs")


def main() -> None:
    """Write the page; exits with 1 if there is nothing to show or no place to write."""
    parser = argparse.ArgumentParser(prog="spear-report", description=spear.analysis.report.__doc__)
    parser.add_argument(
        "--results",
        nargs="+",
        type=Path,
        default=[RESULTS, OUTPUTS],
        help="folders of collected results or of runs (the committed ones, and outputs)",
    )
    parser.add_argument("--to", type=Path, default=OUTPUTS / "report.html", help="the page")
    parser.add_argument(
        "--pictures", type=int, default=24, help="reconstructions of each folder, at most"
    )
    chosen = parser.parse_args()
    found = sources(chosen.results)
    if not found:
        where = " or ".join(map(str, chosen.results))
        parser.exit(1, f"spear-report: there is no complete job in {where}; run one first.\n")
    try:
        chosen.to.parent.mkdir(parents=True, exist_ok=True)
        chosen.to.write_text(page(found, chosen.pictures))
    except OSError as error:
        parser.exit(1, f"spear-report: {chosen.to} cannot be written ({error.strerror}).\n")
    parser.exit(0, f"{chosen.to}\n")


if __name__ == "__main__":
    main()
