"""The page as a whole: the results, rendered by `page.html.jinja`."""

from collections import Counter
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from spear.analysis.overview.claims import claims_of, compared_tables, with_reasons
from spear.analysis.records.own_jobs import NoOwnJobs
from spear.analysis.render.rendering import experiments_of
from spear.analysis.report.experiments import Experiment, experiments, not_run, pictures, unfinished
from spear.analysis.report.markup import VERDICTS
from spear.analysis.report.plot import chart
from spear.analysis.report.sections import sections
from spear.analysis.report.sources import Source

HERE = Path(__file__).parent

KINDS = ("reproduced", "ours")
"""Kinds of verdict."""


def page(sources: list[Source], most_pictures: int) -> str:
    """Return the whole page as HTML.

    Args:
        sources: sources that have results; sections that need none belong to the first.
        most_pictures: greatest number of pictures from each source.
    """
    shown, missing = sections(sources)
    headings = {section.entry.name: section.entry.heading for section in shown}
    claims = [claim for source in sources for claim in _claims(source, headings)]
    recorded = [each for source in sources for each in experiments(source)]
    drawn = [pictures(source, most_pictures) for source in sources]
    environment = Environment(
        loader=PackageLoader("spear.analysis.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja").render(
        style=_file("style.css"),
        script=_file("script.js"),
        plot_script=_file("plot.js"),
        plot=chart(sources),
        sources=sources,
        verdicts=VERDICTS,
        numbers=_numbers(recorded),
        kinds=KINDS,
        counts=_counts([claim for claim in claims if claim["source"].committed]),
        claims=claims,
        scores=_scores(claims),
        sections=shown,
        missing=missing,
        experiments=recorded,
        names=sorted({each.name for each in recorded}),
        not_run=not_run(sources),
        unfinished=[path for source in sources for path in unfinished(source)],
        pictures=[picture for found, _ in drawn for picture in found],
        left_out=sum(left for _, left in drawn),
    )


def _file(name: str) -> Markup:
    return Markup((HERE / name).read_text(encoding="utf-8"))


def _claims(source: Source, headings: dict[str, str]) -> list[dict[str, Any]]:
    """Return the source's values beside the paper's, in the order of the page.

    Only complete tables are compared.

    Args:
        source: source of the values.
        headings: headings of the page's sections, by name.
    """
    found: list[dict[str, Any]] = []
    for name, module in compared_tables(source.root).items():
        if all(each in source.experiments for each in module.EXPERIMENTS):
            try:
                table = claims_of(name, module, source.root)
            except NoOwnJobs:  # the section says so
                continue
            reasons = with_reasons(table) if source.committed else table.assign(why="")
            found += [
                {
                    **{str(key): value for key, value in row.items()},
                    "source": source,
                    "heading": headings[name],
                    "experiments": experiments_of(module),
                }
                for row in reasons.to_dict("records")
            ]
    return sorted(found, key=lambda row: [*headings].index(row["table"]))


def _scores(claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return how often each verdict is given, of each kind, in each table of each source."""
    groups: dict[tuple[Source, str], list[dict[str, Any]]] = {}
    for claim in claims:
        groups.setdefault((claim["source"], claim["table"]), []).append(claim)
    return [{**group[0], "counts": _counts(group)} for group in groups.values()]


def _counts(claims: list[dict[str, Any]]) -> dict[str, Counter[str]]:
    """Return how often each verdict is given, by its kind."""
    return {kind: Counter(each[kind] for each in claims if each[kind]) for kind in KINDS}


def _numbers(recorded: list[Experiment]) -> dict[str, int]:
    """Return the numbers of the whole page, for its head."""
    jobs = [job.summary for each in recorded for job in each.jobs]
    return {
        "experiments": len({each.name for each in recorded}),
        "jobs": len(jobs),
        "batches": sum(summary["n_batches"] for summary in jobs),
    }
