"""Every rendered figure and table on one page (`spear page`). It renders nothing itself."""

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import spear.analysis.figures
import spear.analysis.tables
from spear.analysis.records.store import HERE, RENDERED, RESULTS
from spear.analysis.render.links import path_to, relinked
from spear.analysis.render.packages import kind, modules
from spear.analysis.render.rendering import experiments_of

PAGE = "RESULTS.md"
ROOTS = (HERE / RENDERED, RESULTS / RENDERED)
"""Folders of rendered files; the first that has a file counts."""

TOP = """\
# All results

Written by `spear page` from the files in `results/rendered/`. The commands below an entry rebuild
it; after an experiment is run anew, `spear collect outputs/<experiment>` comes before it is
rendered. First the paper's tables and figures, then what the paper does not have.
"""

KINDS = ("Table", "Figure", "Appendix")
"""First words of the captions of the paper's tables and figures, in the order of the page."""


@dataclass
class Entry:
    """A figure, a table, or both if they have the same name.

    Attributes:
        name: name of the module or modules.
        caption: the first module's docstring.
        parts: content in Markdown, without heading and caption.
        experiments: experiments whose results are shown.
        commands: commands that render it.
    """

    name: str
    caption: str
    parts: list[str] = field(default_factory=list)
    experiments: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    @property
    def heading(self) -> str:
        """Heading: `Table 3` as in the caption, or the name in words if it is not the paper's."""
        number = re.match(rf"(?:{'|'.join(KINDS)})s? [^:\n]*?\d[^:(\n]*", self.caption)
        return number[0].rstrip(" .") if number else self.name.replace("_", " ").capitalize()

    @property
    def place(self) -> tuple[int, list[int], str]:
        """Key that sorts the page: the paper's by kind and number, then the others by name."""
        kinds = [kind for kind in KINDS if self.heading.startswith(kind)]
        kind = KINDS.index(kinds[0]) if kinds else len(KINDS)
        return kind, [int(each) for each in re.findall(r"\d+", self.heading)], self.name

    @property
    def all_commands(self) -> list[str]:
        """Return the commands that run its experiments, then those that render it."""
        return [f"spear experiment={each}" for each in self.experiments] + self.commands

    def markdown(self) -> str:
        """Return the entry's section of the page."""
        commands = "```sh\n" + "\n".join(self.all_commands) + "\n```"
        return "\n\n".join([f"## {self.heading}", *self.parts, commands]) + "\n"


def entries(roots: Sequence[Path], folder: Path) -> list[Entry]:
    """Return what is rendered below some folders, in the order of the page.

    Args:
        roots: folders with `figures/<name>.png` and `tables/<name>.md`; the first that has a file
            counts.
        folder: folder of the page.
    """
    found: dict[str, Entry] = {}
    for package, suffix in ((spear.analysis.figures, ".png"), (spear.analysis.tables, ".md")):
        for name, module in modules(package).items():
            file = Path(kind(package), f"{name}{suffix}")
            for path in [root / file for root in roots if (root / file).exists()][:1]:
                caption = inspect.cleandoc(module.__doc__ or "")
                entry = found.setdefault(name, Entry(name, caption))
                entry.parts += _part(path, caption, folder)
                entry.experiments += [
                    each for each in experiments_of(module) if each not in entry.experiments
                ]
                entry.commands.append(f"spear {kind(package)} {name}")
    return sorted(found.values(), key=lambda entry: entry.place)


def page(roots: Sequence[Path] = ROOTS, folder: Path = HERE) -> str:
    """Return the whole page as text.

    Args:
        roots, folder: as in `entries`.
    """
    shown = entries(roots, folder)
    links = ", ".join(f"[{each.heading}](#{_anchor(each.heading)})" for each in shown)
    return "\n".join([TOP, f"{links}\n", *(each.markdown() for each in shown)])


def _part(path: Path, caption: str, folder: Path) -> list[str]:
    if path.suffix == ".md":  # it begins with its caption
        return [relinked(path.read_text(encoding="utf-8").strip(), path.parent, folder)]
    first = caption.partition("\n\n")[0].replace("\n", " ")
    return [caption, f"![{first}]({path_to(path.name, path.parent, folder)})"]


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
