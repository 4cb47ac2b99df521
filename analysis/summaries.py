"""Run folders to tables: `python -m analysis.summaries outputs/batch_size [columns ...]`.

Reads what jobs recorded and recomputes nothing.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from rich.console import Console
from rich.table import Table

COLUMNS = (
    "dataset", "attack", "batch_size", "seed", "n_exact", "n_batches", "psnr_mean", "psnr_std",
    "lambda_mean", "submatrices_median", "seconds_median", "failures",
)  # fmt: skip


def load_summaries(root: Path) -> pd.DataFrame:
    """Every `summary.json` below `root`, a row each, with its folder; empty if there is none.

    Nested entries (versions, hardware) become dotted columns.
    """
    rows = [
        {"folder": str(path.parent.relative_to(root)), **json.loads(path.read_text())}
        for path in sorted(root.rglob("summary.json"))
    ]
    table = pd.json_normalize(rows)
    keys = [key for key in ("dataset", "attack", "batch_size", "seed") if key in table]
    return table.sort_values(keys, ignore_index=True) if keys else table


def load_batches(root: Path) -> pd.DataFrame:
    """Every batch of every complete job below `root`, a row each; empty if there is none.

    Columns are those of `batches.csv`, with `details` opened up (`details.starts`), then those of
    the job: its `config.yaml` (`network.width`, `dataset.normalize`) and its `summary.json` with
    the chosen files (`attack`, `attack/settings`). A batch's own value goes before the job's.
    `folder` is where the job lies.
    """
    jobs = [_batches(path.parent) for path in sorted(root.rglob("summary.json"))]
    return pd.concat(jobs, ignore_index=True) if jobs else pd.DataFrame()


def _batches(folder: Path) -> pd.DataFrame:
    batches = pd.read_csv(folder / "batches.csv", keep_default_na=False, na_values=["nan"])
    details = pd.json_normalize([json.loads(text) for text in batches.pop("details")])
    text = (folder / "config.yaml").read_text()
    config = _flat(yaml.load(text, yaml.CSafeLoader))  # several times as fast as in Python
    job = config | _flat(json.loads((folder / "summary.json").read_text()))
    constant = pd.DataFrame([job] * len(batches)).drop(columns=batches.columns, errors="ignore")
    table = pd.concat([batches, details.add_prefix("details."), constant], axis=1)
    return table.assign(folder=str(folder))


def _flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys, dotted."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        name = prefix + key
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def show(table: pd.DataFrame, columns: list[str], console: Console) -> None:
    """Print chosen columns."""
    shown = Table(*columns)
    for _, row in table[columns].iterrows():
        shown.add_row(*(f"{v:.6g}" if isinstance(v, float) else str(v) for v in row))
    console.print(shown)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder of an experiment's jobs")
    parser.add_argument("columns", nargs="*", help="keys of summary.json to show")
    arguments = parser.parse_args()
    table = load_summaries(arguments.root)
    if table.empty:
        parser.exit(1, f"no summary.json below {arguments.root}; run an experiment first.\n")
    unknown = sorted(set(arguments.columns) - set(table.columns))
    if unknown:
        parser.exit(1, f"no column {unknown[0]!r}; there are {', '.join(table.columns)}.\n")
    show(table, arguments.columns or [c for c in COLUMNS if c in table], Console())


if __name__ == "__main__":
    main()
