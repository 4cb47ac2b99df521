"""Figures as they are drawn, before they become pixels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text


def saved(monkeypatch: pytest.MonkeyPatch, draw: Callable[[], None]) -> tuple[Figure, Any]:
    """The only figure that `draw` saves, and the settings with which it does."""
    kept: list[tuple[Figure, Any]] = []

    def save(self: Figure, _: Path, **settings: Any) -> None:
        kept.append((self, settings))

    with monkeypatch.context() as patch:
        patch.setattr(Figure, "savefig", save)
        draw()
    (only,) = kept
    return only


def place(figure: Figure, text: Text) -> tuple[float, float]:
    """Of a text, in inches from the upper left corner, to a thousandth."""
    width, height = figure.get_size_inches()
    x, y = text.get_position()
    return round(float(x * width), 3), round(float((1.0 - y) * height), 3)
