"""Time to read, collect and tabulate very many batches: `python -m benchmarks.many_batches`.

Synthetic jobs: copies of a committed one, its batches repeated. They are written as run folders,
read by `spear.results`, collected, and read again as tables and figures read them. CPU seconds and
the largest memory of the process, after each step.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from spear.analysis.records.collect import collect
from spear.analysis.records.frames import load_batches
from spear.analysis.records.results import results
from spear.analysis.records.store import Recorded, experiment_folder, to_csv
from spear.experiments.record.run_files import BATCHES, CONFIG, SUMMARY

SOURCE = "table8"
"""Experiment whose first job is copied."""


def main() -> None:
    """Print a line per step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--batches", type=int, default=1000, help="of each job")
    options = parser.parse_args()
    print(f"{options.jobs} jobs of {options.batches} batches")
    with tempfile.TemporaryDirectory() as place:
        runs, collected = Path(place) / "runs", Path(place) / "results"
        _timed("write", lambda: write(runs, options.jobs, options.batches))
        frame = _timed("spear.results", lambda: results(runs))
        assert len(frame) == options.jobs * options.batches
        _timed("groupby", lambda: frame.groupby("batch_size")["psnr"].mean())
        _timed("spear.results by job", lambda: results(runs, level="jobs"))
        _timed("collect", lambda: collect([runs], collected))
        (file,) = collected.rglob(BATCHES)
        print(f"{file.stat().st_size / 1e6:.0f} MB of {BATCHES}")
        again = _timed("load_batches", lambda: load_batches(collected))
        assert len(again) == len(frame)


def write(root: Path, jobs: int, batches: int) -> None:
    """Write run folders of complete jobs."""
    source = Recorded.from_collected(experiment_folder(SOURCE))
    name, job = next(iter(source.jobs.items()))
    rows = source.rows()[name]
    for number in range(1, jobs + 1):
        folder = root / f"batch_size={number}"
        folder.mkdir(parents=True)
        own = [rows[k % len(rows)] | {"batch": str(k)} for k in range(batches)]
        table = to_csv({"": own}).replace("\n,", "\n").removeprefix("job,")
        (folder / BATCHES).write_text(table, encoding="utf-8")
        config = job["config"] | {"batch_size": number, "n_batches": batches}
        (folder / CONFIG).write_text(yaml.safe_dump(config), encoding="utf-8")
        summary = job["summary"] | {"batch_size": number, "n_batches": batches}
        (folder / SUMMARY).write_text(json.dumps(summary), encoding="utf-8")


def _timed(step: str, call: Callable[[], Any]) -> Any:
    began = time.process_time()
    found = call()
    took = time.process_time() - began
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size = f", {len(found)} rows" if isinstance(found, pd.DataFrame) else ""
    print(f"{step}: {took:.1f} s, at most {most:.1f} GiB{size}", flush=True)
    return found


if __name__ == "__main__":
    main()
