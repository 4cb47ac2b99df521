"""The subcommands `spear show` and `spear collect`.

Loaded before pandas, so that help and wrong options need not wait for it.
"""

import argparse
import sys
from pathlib import Path

from spear.analysis.records.store import HERE
from spear.experiments.record.run_files import SUMMARY

SHOW = """Summaries of jobs as a table: `spear show outputs/batch_size [COLUMN ...]`.

A line for each job: the keys that differ, the metrics that its attack has, and its end. It reads
run folders or collected results (also by name: `spear show table9`) and computes nothing again.
"""

COLLECT = """Collect the records of experiments: `spear collect outputs/<experiment>`.

The complete jobs below each folder go to `results/<experiment>/`: every batch to `batches.csv`,
configurations and summaries to `jobs.json`. A job that was collected before is replaced; other jobs
are kept, so that a sweep can be run in parts. The machine's data_root and output_root become the
defaults, `data` and `outputs`.
"""


def show(arguments: list[str]) -> None:
    """Run `spear show`.

    Raises:
        ConfigError: there is no job, or no such column.
    """
    parser = argparse.ArgumentParser(prog="spear show", description=SHOW)
    parser.add_argument(
        "root", type=Path, nargs="?",
        help="folder of runs or of collected results [outputs, where the command writes]",
    )  # fmt: skip
    parser.add_argument(
        "columns", nargs="*", help="columns to print instead, such as defense.noise_std psnr_mean; "
        "an unknown name lists them all"
    )  # fmt: skip
    chosen = parser.parse_args(arguments)

    from rich.console import Console

    from spear.analysis.records.glance import glance, selected

    if chosen.columns:
        selected(chosen.root, chosen.columns, Console())
    else:
        glance(chosen.root, Console())


def collect(arguments: list[str]) -> None:
    """Run `spear collect`.

    Raises:
        CannotCollect: as `spear.analysis.records.collect.collect` raises it.
    """
    parser = argparse.ArgumentParser(prog="spear collect", description=COLLECT)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of runs")
    parser.add_argument(
        "--results", type=Path, default=HERE, help="folder to collect into [%(default)s]"
    )
    parser.add_argument(
        "--images", "--pictures", action="store_true", dest="pictures",
        help="collect the images of the reconstructions, too",
    )  # fmt: skip
    parser.add_argument(
        "--sheets", action="store_true", help="collect the same images without labels, too"
    )
    parser.add_argument(
        "--texts", action="store_true", help="collect sentences or rows of tables, too"
    )
    chosen = parser.parse_args(arguments)

    from spear.analysis.records.collect import collect, incomplete

    left = incomplete(chosen.folders)
    if left:
        named = "".join(f"  {job}\n" for job in left)
        sys.stderr.write(f"{len(left)} incomplete (no {SUMMARY}), not collected:\n{named}")
    options = {name: getattr(chosen, name) for name in ("pictures", "sheets", "texts")}
    for each in collect(chosen.folders, chosen.results, **options):
        kept = f", {_count(each.kept, 'other')} kept" if each.kept else ""
        sys.stdout.write(f"{each.folder}: {_count(len(each.jobs), 'job')} collected{kept}\n")


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
