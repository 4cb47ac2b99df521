"""Cells of a table of the paper in a few words, for one row of a list of experiments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from spear.analysis.paper.comparison import Cell, Measure, how
from spear.analysis.render import methods

UNDERSTOOD = {"PSNR [dB]", "accuracy", "time"}
"""Titles of measures whose values are understood without a title."""

LISTED = 3
"""Cells of which each value is listed; of more, the least and the largest are."""

Batches = Callable[[Cell], pd.DataFrame]


@dataclass(frozen=True)
class Brief:
    """Values of some cells: the paper's, its method's run again, and ours. Each may be empty."""

    paper: str
    again: str
    ours: str


def brief(cells: Sequence[Cell]) -> Brief:
    """Return the values of some cells of one table in words.

    Our shares are counts of batches; without one, the number of batches stands behind the values.
    So do the cells that were run, if these are not all.

    Args:
        cells: of one table, in the order of the measures in the text.
    """
    given = [each for each in cells if pd.notna(each.paper)]
    return Brief(
        _values(given, lambda cell: cell.paper_text, lambda cell: cell.paper),
        _column(cells, lambda cell: cell.again) or (methods.NOT_RUN if given else ""),
        _column(cells, lambda cell: cell.ours),
    )


def _column(cells: Sequence[Cell], batches: Batches) -> str:
    run = [each for each in cells if pd.notna(each.value(batches(each)))]
    if not run:
        return ""

    def text(cell: Cell) -> str:
        return cell.measure.text(batches(cell))

    def value(cell: Cell) -> float:
        return cell.value(batches(cell))

    return f"{_values(run, text, value)}{_about(cells, run, batches)}"


def _about(cells: Sequence[Cell], run: Sequence[Cell], batches: Batches) -> str:
    """Return what is to be said of the batches behind the values."""
    first = [each for each in run if each.column == run[0].column]
    found = [batches(each) for each in first]
    said = [_where(cells, first)]
    if not any(each.column == "accuracy" for each in run):
        counts = [len(each) for each in found]
        said.append(_range([f"{n} batch{'es' * (n > 1)}" for n in counts], counts))
    iterations = found[0].get("details.iterations", pd.Series(dtype=float)).median()
    if pd.notna(iterations) and not run[0].of_spear:
        said.append(f"{iterations:,.0f} iterations")
    said.append(how(found[0]))
    return "".join(f"; {each}" for each in said if each)


def _where(cells: Sequence[Cell], run: Sequence[Cell]) -> str:
    """Return the cells that were run, if it is not all of them."""
    every = [each for each in cells if each.column == run[0].column]
    if len(run) == len(every):
        return ""
    varied = [key for key in every[0].keys if len({each.keys[key] for each in every}) > 1]
    if len(varied) > 1:
        return f"{len(run)} of {len(every)} cells"
    return f"{varied[0]} = {', '.join(each.keys[varied[0]] for each in run)} alone"


def _values(
    cells: Sequence[Cell], text: Callable[[Cell], str], value: Callable[[Cell], float]
) -> str:
    """Return the values of each measure in turn."""
    columns = dict.fromkeys(each.column for each in cells)
    measured = ([each for each in cells if each.column == column] for column in columns)
    return "; ".join(_joined(each, text, value) for each in measured)


def _joined(cells: list[Cell], text: Callable[[Cell], str], value: Callable[[Cell], float]) -> str:
    """Return the values of one measure, with its title or unit."""
    measure, texts = cells[0].measure, [text(each) for each in cells]
    parts = [each.partition(", ") for each in texts] if measure.title == "time" else []
    where = " / ".join(dict.fromkeys(hardware for _, _, hardware in parts if hardware))
    texts = [first for first, _, _ in parts] or [_with_unit(measure, each) for each in texts]
    if len(cells) > 1:
        texts = [_without_interval(each) for each in texts]
    title = "" if measure.title in UNDERSTOOD else f"{measure.title} "
    return f"{title}{_range(texts, [*map(value, cells)])}{f' ({where})' if where else ''}"


def _with_unit(measure: Measure, text: str) -> str:
    unit = measure.title.partition("[")[2].rstrip("]")
    return f"{text} {unit}".rstrip()


def _without_interval(text: str) -> str:
    number, _, rest = text.partition(" ± ")
    return f"{number} {rest.partition(' ')[2]}".rstrip()


def _range(texts: Sequence[str], values: Sequence[float]) -> str:
    """Return one value, a list of a few, or the least and the largest."""
    if len({*texts}) == 1:
        return f"{texts[0]} each" if len(texts) > 1 else texts[0]
    if len(texts) <= LISTED:
        return _of_one_unit(texts, ", ")
    ordered = [text for _, text in sorted(zip(values, texts, strict=True))]
    return _of_one_unit([ordered[0], ordered[-1]], " to ")


def _of_one_unit(texts: Sequence[str], between: str) -> str:
    """Join values; a unit that all have stands behind the last one."""
    units = {each.partition(" ")[2] for each in texts}
    if len(units) == 1:
        texts = [*(each.partition(" ")[0] for each in texts[:-1]), texts[-1]]
    return between.join(texts)
