"""Every rendered figure and table on one page: `python -m spear.analysis.render.results_page`
writes RESULTS.md.

It shows what is in `results/rendered/` and renders nothing itself.
"""

import argparse
import inspect
import re
from dataclasses import dataclass, field
from pathlib import Path

import spear.analysis.figures
import spear.analysis.tables
from spear.analysis.records.store import RENDERED, RESULTS
from spear.analysis.render.rendering import modules

PAGE = RESULTS / "RESULTS.md"

TOP = """\
# All results

Written by `python -m spear.analysis.render.results_page` from the files in `results/rendered/`.
The commands below an entry rebuild it; after an experiment is run anew,
`spear-collect outputs/<experiment>` comes before it is rendered. First the paper's tables and
figures, then what the paper does not have.
"""

KINDS = ("Table", "Figure", "Appendix")
"""What the captions of the paper's begin with, in the order of the page."""


@dataclass
class Entry:
    """A figure, a table, or both where they have the same name.

    Attributes:
        name: of the module or the modules.
        caption: the first module's docstring.
        parts: what is shown, in Markdown.
        experiments: whose results are shown.
        commands: those that render it.
    """

    name: str
    caption: str
    parts: list[str] = field(default_factory=list)
    experiments: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    @property
    def heading(self) -> str:
        """`Table 3` as the caption says, or the name in words for what is not the paper's."""
        number = re.match(rf"(?:{'|'.join(KINDS)})s? [^:\n]*?\d[^:(\n]*", self.caption)
        return number[0].rstrip(" .") if number else self.name.replace("_", " ").capitalize()

    @property
    def place(self) -> tuple[int, list[int], str]:
        """Sorts the page: the paper's by kind and number, then the others by name."""
        kinds = [kind for kind in KINDS if self.heading.startswith(kind)]
        kind = KINDS.index(kinds[0]) if kinds else len(KINDS)
        return kind, [int(each) for each in re.findall(r"\d+", self.heading)], self.name

    @property
    def all_commands(self) -> list[str]:
        """Those that run its experiments, then those that render it."""
        return [f"spear experiment={each}" for each in self.experiments] + self.commands

    def markdown(self) -> str:
        """The entry's section of the page."""
        commands = "```sh\n" + "\n".join(self.all_commands) + "\n```"
        return "\n\n".join([f"## {self.heading}", *self.parts, commands]) + "\n"


def entries(figures: Path, tables: Path) -> list[Entry]:
    """What is rendered in these folders, in the order of the page."""
    found: dict[str, Entry] = {}
    for package, folder, suffix in (
        (spear.analysis.figures, figures, ".png"),
        (spear.analysis.tables, tables, ".md"),
    ):
        for name, module in modules(package).items():
            path = (folder / name).with_suffix(suffix)
            if path.exists():
                caption = inspect.cleandoc(module.__doc__ or "")
                entry = found.setdefault(name, Entry(name, caption))
                entry.parts += _part(path, caption)
                entry.experiments += [
                    each for each in module.EXPERIMENTS if each not in entry.experiments
                ]
                entry.commands.append(f"python -m {package.__name__} {name}")
    return sorted(found.values(), key=lambda entry: entry.place)


def page(figures: Path, tables: Path) -> str:
    """The whole page as text.

    Args:
        figures, tables: folders with `<name>.png` and `<name>.md`.
    """
    shown = entries(figures, tables)
    links = ", ".join(f"[{each.heading}](#{_anchor(each.heading)})" for each in shown)
    return "\n".join([TOP, f"{links}\n", *(each.markdown() for each in shown)])


def _part(path: Path, caption: str) -> list[str]:
    if path.suffix == ".md":  # it begins with its caption
        return [path.read_text().strip().replace("](../../", "](")]  # to where the page is
    first = caption.partition("\n\n")[0].replace("\n", " ")
    return [caption, f"![{first}](rendered/figures/{path.name})"]


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m spear.analysis.render.results_page", description=__doc__
    )
    parser.parse_args()
    PAGE.write_text(page(RENDERED / "figures", RENDERED / "tables"))
    parser.exit(0, f"{PAGE}\n")


if __name__ == "__main__":
    main()
