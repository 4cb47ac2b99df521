"""Sentences of a batch and their reconstructions side by side, as a picture."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

_DPI = 150
_WIDTH = 9.0
"""Of the picture, in inches, like every length below."""
_LINE = 0.19
_GAP = 0.11
_TITLE = 0.42
_LETTERS = 58
"""Letters on a line of each of the two columns."""
_LEFT, _RIGHT = 0.1, 4.65
_SAME, _OTHER = "#1a7a3c", "#b3261e"
"""Colours of a right and a wrong sentence; a mark before it says the same."""


def text_figure(
    originals: Sequence[str], reconstructions: Sequence[str], path: Path, title: str
) -> None:
    """Write a PNG: each sentence beside its reconstruction, which is marked as right or wrong.

    Args:
        originals, reconstructions: in the same order; a missing one is empty.
        path: of the PNG; missing folders are made.
        title: one line.
    """
    rows = [
        (_lines(original), _lines(found or "(not found)"), original == found)
        for original, found in zip(originals, reconstructions, strict=True)
    ]
    heights = [_LINE * max(len(left), len(right)) + _GAP for left, right, _ in rows]
    height = _TITLE + _LINE + _GAP + sum(heights)
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI)

    def write(x: float, y: float, words: str, **style: Any) -> None:
        figure.text(x / _WIDTH, 1 - y / height, words, ha="left", va="top", **style)

    write(_LEFT, 0.1, title, size=9.5)
    write(_LEFT, _TITLE, "the client's sentences", size=8, color="0.4")
    write(_RIGHT, _TITLE, "what the server reads from the gradient", size=8, color="0.4")
    y = _TITLE + _LINE + _GAP / 2
    for (left, right, same), step in zip(rows, heights, strict=True):
        for number, words in enumerate(left):
            write(_LEFT, y + number * _LINE, words, size=8.5)
        for number, words in enumerate(right):
            mark = ("✓ " if same else "✗ ") if number == 0 else "   "
            color = _SAME if same else _OTHER
            write(_RIGHT, y + number * _LINE, mark + words, size=8.5, color=color)
        y += step
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight", pad_inches=0.1)


def _lines(text: str) -> list[str]:
    return textwrap.wrap(text.replace("$", r"\$"), _LETTERS) or [""]
