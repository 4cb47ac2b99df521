"""`python -m spear.analysis.figures [NAME ...]`."""

from pathlib import Path
from types import ModuleType

import pandas as pd

import spear.analysis.figures
from spear.analysis.render import style
from spear.analysis.render.rendering import drawn, render


def write(module: ModuleType, results: pd.DataFrame, path: Path) -> list[Path]:
    """The module's figure as `<path>.png` and `<path>.pdf`, the same bytes every time."""
    with style.applied():
        figure = drawn(module, results)
        figure.savefig(path.with_suffix(".png"), metadata={"Software": None})
        figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
    return [path.with_suffix(".png"), path.with_suffix(".pdf")]


if __name__ == "__main__":
    render(spear.analysis.figures, write)
