"""Figures and tables of the page, each rendered from one source."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pandas as pd
from markupsafe import Markup

import spear.analysis.figures
import spear.analysis.tables
from spear.analysis.overview.results_page import KINDS, Entry
from spear.analysis.overview.tables import markdown
from spear.analysis.records.store import JOBS, RENDERED, RESULTS
from spear.analysis.render import style
from spear.analysis.render.packages import kind, modules
from spear.analysis.render.rendering import caption as said
from spear.analysis.render.rendering import drawn, experiments_of, origin, results_of
from spear.analysis.report.markup import drawing, html, is_verdict, png_uri
from spear.analysis.report.sources import Source

CHECKOUT = 60.0
"""Seconds within which git writes the files of a checkout."""


@dataclass(frozen=True)
class Section:
    """Figure or table of the page.

    Attributes:
        entry: name, caption, experiments and commands.
        source: source of the results.
        caption, table: caption and table as HTML; the table is empty for a figure.
        figure: data address of the figure; empty for a table.
        verdicts: numbers of cells with each verdict.
        origin: hardware and code that the results were measured with.
    """

    entry: Entry
    source: Source
    caption: Markup
    table: Markup
    figure: str
    verdicts: Counter[str]
    origin: str

    @property
    def kind(self) -> str:
        """Kind in a word: figure or table."""
        return "figure" if self.figure else "table"

    @property
    def anchor(self) -> str:
        """Anchor of the section on the page."""
        return f"{self.kind}-{self.entry.name}" + ("" if self.source.committed else "-local")

    @property
    def in_paper(self) -> bool:
        """Return whether the paper has it."""
        return self.entry.heading.startswith(KINDS)


def sections(sources: list[Source]) -> tuple[list[Section], dict[str, str]]:
    """Return the sections in the order of the page, and the reason for each name without one.

    A section that needs no results is taken from the first source only. A name that has a section
    from some source has a reason only if another source has too few jobs of its sweep.
    """
    found: list[Section] = []
    missing: dict[str, str] = {}
    for package in (spear.analysis.figures, spear.analysis.tables):
        for name, module in modules(package).items():
            absent = ""
            there = len(found)
            for source in sources if module.EXPERIMENTS else sources[:1]:
                try:
                    batches = results_of(module, source.root)
                    found.append(_section(name, kind(package), module, batches, source))
                except FileNotFoundError as error:
                    absent = absent or str(error)
                except (LookupError, ValueError) as error:
                    if source.committed:
                        raise
                    missing[name] = f"{source.root} has too few jobs to show ({error})."
            if len(found) == there and absent:
                missing[name] = absent
    return sorted(found, key=lambda each: each.entry.place), missing


def _section(
    name: str, command: str, module: ModuleType, batches: pd.DataFrame, source: Source
) -> Section:
    entry = Entry(name, said(module, batches))
    entry.experiments += experiments_of(module)
    entry.commands.append(f"spear {command} {name}")
    table, figure, verdicts = Markup(), "", Counter[str]()
    if hasattr(module, "draw"):
        rendered = RESULTS / RENDERED / command / f"{name}.png"
        if source.committed and is_current(rendered, entry.experiments):
            figure = png_uri(rendered)
        else:
            with style.applied():
                figure = drawing(drawn(module, batches))
    else:
        content = module.table(batches)
        table = html(markdown(content))
        verdicts.update(_verdicts(content))
    caption = html(entry.caption)
    return Section(entry, source, caption, table, figure, verdicts, origin(batches))


def is_current(rendered: Path, experiments: Iterable[str]) -> bool:
    """Return whether a committed figure is not older than the committed records that it shows.

    A checkout writes both within `CHECKOUT` seconds, in any order.
    """
    if not rendered.is_file():
        return False
    records = [RESULTS / each / JOBS for each in experiments]
    times = [path.stat().st_mtime for path in records if path.is_file()]
    return rendered.stat().st_mtime >= max(times, default=0.0) - CHECKOUT


def _verdicts(table: pd.DataFrame) -> Iterator[str]:
    return (cell for title in table for cell in table[title] if is_verdict(cell, str(title)))
