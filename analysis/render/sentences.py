"""Sentences of a batch beside what attacks read, word by word, wrong ones in another colour."""

import csv
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from spear.analysis.render import style

RIGHT, WRONG = "#1a1a1a", "#D55E00"
"""Colours of words at their place and of all others; the second is underlined by a mark, too."""

_SIZE = 7.0
_LETTER = 0.602 * _SIZE / 72
"""Width of a letter of the monospaced font, in inches, like every length below."""
_LINE, _GAP, _HEAD = 0.135, 0.06, 0.24


@dataclass(frozen=True)
class ReadSentences:
    """Sentences of one batch, and what each attack read.

    Attributes:
        title: of the batch.
        originals: the client's.
        read: name of an attack -> its sentences, in the order of the originals; a missing one is
            empty.
    """

    title: str
    originals: list[str]
    read: dict[str, list[str]]

    @classmethod
    def of(cls, title: str, jobs: dict[str, pd.Series]) -> "ReadSentences":
        """Return the first batch of some jobs.

        Args:
            title: of the batch.
            jobs: name of an attack -> any batch of its job.

        Raises:
            FileNotFoundError: a job's sentences were not collected.
            ValueError: the jobs have different batches.
        """
        read, truth = {}, None
        for name, job in jobs.items():
            path = Path(str(job["texts"]))
            if not path.is_file():
                raise FileNotFoundError(
                    f"{path} is missing; collect it by `spear collect --texts "
                    f"outputs/{job['experiment']}`."
                )
            originals, read[name] = read_texts(path)
            if truth is not None and originals != truth:
                raise ValueError("the attacks' batches differ; run them with the same seed.")
            truth = originals
        return cls(title, truth or [], read)


def read_texts(path: Path) -> tuple[list[str], list[str]]:
    """Return original and reconstructed sentences of a file of `spear.scoring.shown.shown_csv`."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    parts = ("original", "reconstruction")
    first, second = ([row["text"] for row in rows if row["is"] == part] for part in parts)
    return first, second


def draw(batches: list[ReadSentences], width: float = style.WIDTH) -> Figure:
    """Draw batches below one another: a column of the originals and one for each attack."""
    columns = 1 + max(len(each.read) for each in batches)
    step = width / columns
    letters = int((step - 0.12) / _LETTER)
    blocks = [_lines(each, letters) for each in batches]
    height = sum(2 * _HEAD + sum(len(row[0]) * _LINE + _GAP for row in block) for block in blocks)
    figure = Figure(figsize=(width, height + 0.3))
    figure.set_layout_engine("none")
    y = 0.06
    for each, block in zip(batches, blocks, strict=True):
        _put(figure, 0.06, y, each.title, fontsize=8.5, fontweight="bold")
        y += _HEAD
        for place, name in enumerate(["the client's sentences", *each.read]):
            _put(figure, 0.06 + place * step, y, name, fontsize=7.5, color=style.GREY)
        y += _HEAD - 0.04
        for row in block:
            for place, lines in enumerate(row):
                _words(figure, 0.06 + place * step, y, lines)
            y += len(row[0]) * _LINE + _GAP
        y += 0.04
    return figure


Word = tuple[int, str, bool]
"""Column of a word's first letter, the word, and whether it is right."""


def _lines(batch: ReadSentences, letters: int) -> list[list[list[list[Word]]]]:
    """Rows of the batch: the lines of each column, all of a row equally many."""
    rows = []
    for place, original in enumerate(batch.originals):
        texts = [original, *(found[place] for found in batch.read.values())]
        cells = [_wrapped(text, original, letters) for text in texts]
        most = max(map(len, cells))
        rows.append([[*cell, *([[]] * (most - len(cell)))] for cell in cells])
    return rows


def _wrapped(text: str, original: str, letters: int) -> list[list[Word]]:
    """Lines of words; a word is right if the original has it at the same place."""
    if not text:
        return [[(0, "(not found)", False)]]
    true, found = original.split(), text.split()
    lines: list[list[Word]] = [[]]
    column = 0
    for place, word in enumerate(found):
        if column and column + len(word) > letters:
            lines.append([])
            column = 0
        lines[-1].append((column, word, place < len(true) and true[place] == word))
        column += len(word) + 1
    if len(found) < len(true):
        lines[-1].append((column, "...", False))
    return lines


def _words(figure: Figure, x: float, y: float, lines: list[list[Word]]) -> None:
    for number, line in enumerate(lines):
        for column, word, right in line:
            _put(
                figure, x + column * _LETTER, y + number * _LINE, word.replace("$", r"\$"),
                fontsize=_SIZE, family="monospace", color=RIGHT if right else WRONG,
                fontweight="normal" if right else "bold",
            )  # fmt: skip


def _put(figure: Figure, x: float, y: float, words: str, **looks: object) -> None:
    width, height = figure.get_size_inches()
    figure.text(x / width, 1 - y / height, words, ha="left", va="top", **looks)  # type: ignore[arg-type]
