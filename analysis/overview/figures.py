"""Figures as picture files: `spear figures [NAME ...]`."""

from pathlib import Path
from types import ModuleType

import pandas as pd

from spear.analysis.render import style
from spear.analysis.render.rendering import drawn


def write(module: ModuleType, results: pd.DataFrame, path: Path) -> list[Path]:
    """Write the module's figure as `<path>.png` and `<path>.pdf`, the same bytes every time."""
    with style.applied():
        figure = drawn(module, results)
        figure.savefig(path.with_suffix(".png"), metadata={"Software": None})
        figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
    return [path.with_suffix(".png"), path.with_suffix(".pdf")]
