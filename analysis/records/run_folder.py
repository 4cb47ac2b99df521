"""Files of a run folder as they are read back; of a damaged one, a sentence that names it."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from spear.errors import SpearError
from spear.experiments.record.run_files import BATCHES, CONFIG, SUMMARY

JOB = "job"
"""The first column of collected batches."""

BATCH = "batch"
"""Column of a batch's number."""

DETAILS = "details"
"""Column of what the attack counted, as JSON."""

ABSENT = "nan"
"""Value in a column that a job's batches do not have, as for any missing number."""


class Damaged(SpearError):
    """A file of results is not as it was written."""


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Within the context, say of any error of a file's content which file it is.

    Raises:
        Damaged: the content is not what the command wrote.
    """
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error, yaml.YAMLError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise Damaged(
            f"{path} is damaged ({said:.200}); restore it from a copy, or delete its folder and "
            "run the same command again."
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """Return the resolved configuration of a job."""
    with readable(folder / CONFIG):
        text = (folder / CONFIG).read_text(encoding="utf-8")
        return mapping(yaml.load(text, yaml.CSafeLoader))  # far faster


def read_summary(folder: Path) -> dict[str, Any]:
    """Return the summary of a complete job."""
    with readable(folder / SUMMARY):
        return mapping(json.loads((folder / SUMMARY).read_text(encoding="utf-8")))


def read_experiment(folder: Path) -> str:
    """Return the name of a complete job's experiment, as its summary has it."""
    name: str = read_named_summary(folder)["experiment"]
    return name


def read_named_summary(folder: Path) -> dict[str, Any]:
    """Return the summary of a complete job, which has the name of an experiment."""
    summary = read_summary(folder)
    with readable(folder / SUMMARY):
        if not isinstance(summary["experiment"], str):
            raise TypeError(f"its experiment is {summary['experiment']!r}")
    return summary


def read_batches(folder: Path) -> list[dict[str, str]]:
    """Return the batches recorded so far, each a mapping from columns to text."""
    with readable(folder / BATCHES):
        with (folder / BATCHES).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        for number, row in enumerate(rows, start=1):
            if None in row or None in row.values():
                raise ValueError(f"row {number} has another number of columns than the first")
            int(row[BATCH])
            mapping(json.loads(row[DETAILS]))
        return rows


def flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping with dotted keys."""
    found: dict[str, Any] = {}
    for key, value in nested.items():
        name = prefix + key
        found |= flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found


def mapping(content: Any) -> dict[str, Any]:
    """Return content that is keys and values.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise TypeError(f"it holds a {type(content).__name__}; expected keys and values")
    return content
