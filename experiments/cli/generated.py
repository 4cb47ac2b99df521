"""Lists and tables of the experiments in files of the documentation, made from their headers.

Each stands between two comment lines of Markdown or of a Makefile. The first of them says what it
is:

    <!-- spear experiments: table TAG -->     rows of the experiments that have the tag
    <!-- spear experiments: rooms -->         rows of all of them, a table for each room
    <!-- spear experiments: claims -->        what `spear claims` comes to, in a paragraph
    <!-- spear experiments: rendered NAME --> a rendered table of results
    <!-- spear experiments: leaderboard -->   exact attacks by setting, from the records
    # spear experiments: lists NAME=TAG ...   variables of a Makefile
"""

import re
import textwrap

from spear.analysis.records.store import RENDERED, RESULTS
from spear.errors import ConfigError
from spear.experiments.config.experiments import ROOMS, Experiment, Value, experiments, tagged

WIDTH = 120
"""Columns of a paragraph."""

NOT_RUN = "- (not run)"
"""Stands where the paper and ours have a value, and the paper's method was not run again."""

BLOCK = re.compile(
    r"^(?P<begin>(?:<!--|#) spear experiments: (?P<what>.*?)(?: -->)?\n)"
    r".*?"
    r"^(?P<end>(?:<!--|#) end of spear experiments(?: -->)?$)",
    re.M | re.S,
)


def renewed(text: str) -> str:
    """Return a file's text with the content of every block made anew.

    Raises:
        ConfigError: there is no block, or one asks for something that is not listed above.
    """
    if not BLOCK.search(text):
        raise ConfigError("there is no block between comments 'spear experiments: ...'.")
    return BLOCK.sub(lambda found: found["begin"] + _content(found["what"]) + found["end"], text)


def _content(what: str) -> str:
    kind, *arguments = what.split()
    if kind == "table" and len(arguments) == 1:
        return table([each for each in experiments().values() if arguments[0] in each.tags])
    if kind == "rooms" and not arguments:
        return _rooms()
    if kind == "rendered" and len(arguments) == 1:
        return _rendered(arguments[0])
    if kind == "claims" and not arguments:
        return _claims()
    if kind == "leaderboard" and not arguments:
        return _leaderboard()
    if kind == "lists" and all("=" in each for each in arguments):
        return "".join(_variable(*each.split("=")) for each in arguments)
    raise ConfigError(
        f"{what!r} is no block; expected 'table TAG', 'rooms', 'rendered NAME', 'claims', "
        "'leaderboard' or 'lists NAME=TAG'."
    )


def table(shown: list[Experiment]) -> str:
    """Return a table in Markdown, a row for each value of each experiment."""
    lines = [
        "| what | experiment | minutes | the paper | Algorithm 1 or rival, run here | ours |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for each in shown:
        subject, minutes = each.subject.rstrip("."), f"{each.minutes:g}" if each.minutes else ""
        minutes += " (GPU)" * bool(minutes and "gpu" in each.tags)
        for part, value in (each.values or {"": Value()}).items():
            what = "; ".join(filter(None, (subject, part)))
            columns = (
                what,
                f"`{each.name}`",
                minutes,
                value.paper,
                value.again or _absent(each, value),
            )
            lines.append(f"| {' | '.join([*columns, value.ours])} |")
            subject, minutes = "", ""
    return "\n".join(lines).replace("  |", " |") + "\n"


def _absent(experiment: Experiment, value: Value) -> str:
    """Return what stands for a value of the paper's method that is not in the header."""
    if experiment.room != "paper" or not (value.paper and value.ours):
        return ""
    other = f"{experiment.name}_sampling"
    return f"`{other}`" if other in experiments() else NOT_RUN


def _rooms() -> str:
    found = experiments().values()
    return "".join(
        f"\n## {about.capitalize()}\n\n{table([each for each in found if each.room == room])}\n"
        for room, about in ROOMS.items()
    )


def _rendered(name: str) -> str:
    """Return a table from `results/rendered/tables/`, without what is said of it there.

    Raises:
        ConfigError: there is no such table.
    """
    path = RESULTS / RENDERED / "tables" / f"{name}.md"
    if not path.is_file():
        raise ConfigError(f"there is no table {path}; `spear tables {name}` renders it.")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(each for each in lines if each.startswith("|"))


def _claims() -> str:
    from spear.analysis.overview.claims import claims, in_words  # pandas takes a second

    return textwrap.fill(in_words(claims()), WIDTH) + "\n"


def _leaderboard() -> str:
    from spear.analysis.overview.leaderboard import page  # pandas takes a second

    return page()


def _variable(name: str, tag: str) -> str:
    names = " ".join(each.name for each in tagged(tag))
    return " \\\n\t".join(textwrap.wrap(f"{name} := {names}", 110)) + "\n"
