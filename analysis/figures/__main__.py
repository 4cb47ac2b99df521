"""`python -m analysis.figures [NAME ...]`."""

from pathlib import Path
from types import ModuleType

import pandas as pd
from matplotlib.figure import Figure

import analysis.figures
from analysis import style
from analysis.rendering import origin, render


def write(module: ModuleType, results: pd.DataFrame, path: Path) -> list[Path]:
    """The module's figure as `<path>.png` and `<path>.pdf`, the same bytes every time."""
    with style.applied():
        figure: Figure = module.draw(results)
        style.sign(figure, origin(results))
        figure.savefig(path.with_suffix(".png"), metadata={"Software": None})
        figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
    return [path.with_suffix(".png"), path.with_suffix(".pdf")]


if __name__ == "__main__":
    render(analysis.figures, write)
