"""Figures and tables in a notebook: `show("table3")` as a cell's last line.

Everything is rendered from the committed results; no data set and no setting is needed.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import ModuleType

import pandas as pd
from PIL import Image

import spear.analysis.figures
import spear.analysis.tables
from spear.analysis.render import style
from spear.analysis.render.packages import names
from spear.analysis.render.rendering import caption, drawn, origin, results_of

DPI, COLOURS = 90, 64
"""Resolution and palette of a figure."""


@dataclass(frozen=True)
class Shown:
    """Display of a notebook's cell, as HTML and as text."""

    text: str
    """Substitute of one sentence if HTML cannot be shown."""
    html: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def show(name: str, results: Path | None = None) -> Shown:
    """Return the figure and the table of that name, whichever exist, with captions.

    A name without module or results gives a line that says so instead of an error.

    Args:
        name: name of a module of `spear.analysis.figures` or `spear.analysis.tables`.
        results: folder of experiments, as in `spear.analysis.records.store.experiment_folder`.
    """
    found = list(_modules(name))
    if not found:
        return _missing(f"there is no figure and no table {name!r}.")
    html = ""
    for module in found:
        try:
            batches = results_of(module, results)
        except FileNotFoundError as error:
            return _missing(f"{name}: {error}")
        html += _caption(module, batches) + (
            _picture(module, batches) if hasattr(module, "draw") else _table(module, batches)
        )
    return Shown(name, html)


def _modules(name: str) -> Iterator[ModuleType]:
    # Only what is shown is imported: some modules need torch, which takes seconds.
    for package in (spear.analysis.figures, spear.analysis.tables):
        if name in names(package):
            yield import_module(f"{package.__name__}.{name}")


def _missing(what: str) -> Shown:
    return Shown(f"Missing: {what}", f"<p><em>Missing: {escape(what)}</em></p>")


def _caption(module: ModuleType, batches: pd.DataFrame) -> str:
    paragraphs = caption(module, batches).split("\n\n")
    return "".join(f"<p>{escape(each)}</p>" for each in paragraphs)


def _picture(module: ModuleType, batches: pd.DataFrame) -> str:
    file, flat, photograph = BytesIO(), BytesIO(), BytesIO()
    with style.applied():
        drawn(module, batches).savefig(file, format="png", dpi=DPI)
    image = Image.open(file).convert("RGB")
    image.quantize(COLOURS).save(flat, "png", optimize=True)
    image.save(photograph, "jpeg", quality=80, optimize=True)
    # Notebooks lie in the repository: the smaller of both, a third of the bytes of `file`.
    content, kind = min((flat.getvalue(), "png"), (photograph.getvalue(), "jpeg"), key=_size)
    address = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return f'<img src="{address}" style="width: {style.WIDTH}in">'


def _size(encoded: tuple[bytes, str]) -> int:
    return len(encoded[0])


def _table(module: ModuleType, batches: pd.DataFrame) -> str:
    indented = module.table(batches).to_html(index=False, border=0)
    table = "\n".join(map(str.strip, indented.splitlines()))  # a third smaller
    return f"{table}<p><small>{escape(origin(batches))}.</small></p>"
