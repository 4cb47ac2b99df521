"""Tables as Markdown files: `spear tables [NAME ...]`."""

from pathlib import Path
from types import ModuleType

import pandas as pd
from rich.console import Console

from spear.analysis.render.links import relinked
from spear.analysis.render.rendering import caption, origin


def markdown(table: pd.DataFrame) -> str:
    """Return a data frame of text as a Markdown table."""
    rows = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    texts = [[str(cell).replace("|", r"\|") for cell in row] for row in rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in texts)


def write(module: ModuleType, results: pd.DataFrame, path: Path) -> list[Path]:
    """Print the module's table with its caption, and write both to `<path>.md`."""
    table = relinked(markdown(module.table(results)), Path(), path.parent)
    text = f"{caption(module, results)}\n\n{table}\n{origin(results)}.\n"
    Console().print(text, markup=False, highlight=False, soft_wrap=True)
    target = path.with_suffix(".md")
    target.write_text(text, encoding="utf-8")
    return [target]
