"""The prepared experiments: their names and the content of each file's header.

An experiment is a file `conf/experiment/<room>/<name>.yaml`, which users call by its name alone. It
begins with comment lines, of which all but the first three may be left out:

    # @package _global_
    # spear experiment=NAME
    # What it shows, on one line.
    # More about it, on any number of lines.
    # Takes: 35 min on one core of an Intel Xeon
    # Paper (MNIST): the paper's value; a field may go on
    #   on an indented line, and "(MNIST)" is there if an experiment has several values
    # Again (MNIST): value of the paper's method, Algorithm 1 or a rival, run again
    # Ours (MNIST): our value
    # Tags: paper main

Values that the records have are filled in by `spear experiments --write` below a line that chooses
them (`spear.experiments.cli.headers`):

    # Cells (MNIST): table3 psnr,accuracy dataset=mnist
    # Records (b = 20): batch_size=20 dataset=cifar10
    # Rerun (CI-Net): attack=ci_net
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

import spear
from spear.spelling import did_you_mean

FOLDER = (Path(spear.__file__).parent / "conf" / "experiment").resolve()

ROOMS = {"paper": "the paper", "beyond": "beyond the paper", "related": "related systems"}
"""Folders of experiments, and the subject of each."""

TAGS = {
    "main": "in the table of the paper, docs/paper.md",
    "headline": "in the table of what is beyond it, docs/beyond-the-paper.md",
    "paper": "run by `make paper`",
    "paper-long": "run by `make paper-long`",
    "paper-sampling": "run by `make paper-sampling`",
    "paper-gpu": "run by `make paper-gpu`",
    "paper-baselines": "run by `make paper-baselines`",
    "gpu": "needs a GPU to end in reasonable time",
}
"""Tags that a header may have, and the meaning of each."""

RENAMED = {
    "exact_recovery_b100_cuda": "exact_recovery_b100_gpu",
    "exact_recovery_b200_cuda": "exact_recovery_b200_gpu",
    "exact_recovery_b90_cuda": "exact_recovery_b90_gpu",
    "exact_recovery_cuda": "exact_recovery_gpu",
    "exact_recovery_wide": "exact_recovery_b50",
    "exact_recovery_wide_cuda": "exact_recovery_b50_gpu",
    "figure4_large": "figure4_b18_to_b24",
    "figure6_large": "figure6_b18_to_b24",
    "gifd_out": "gifd_out_of_distribution",
    "table1_reduced": "table1_32px",
    "table1_sigmoid": "table1_32px_sigmoid",
    "table9_each": "table9_noise_per_example",
    "table9_opacus": "table9_noise_on_sum",
}
"""Former name, which commands accept and records keep -> present name."""

FIELD = re.compile(r"(Takes|Paper|Again|Ours|Cells|Records|Rerun|Tags)(?: \((.+)\))?: (.+)")


@dataclass
class Value:
    """Results of one part of an experiment: the paper's, its method's run again, and ours.

    Each may be empty. The last three choose what is filled in from the records.
    """

    paper: str = ""
    again: str = ""
    ours: str = ""
    cells: str = ""
    records: str = ""
    rerun: str = ""


@dataclass(frozen=True)
class Experiment:
    """A prepared experiment, as its header describes it.

    Attributes:
        name: name that users type.
        room: folder of its file, a key of `ROOMS`; empty directly below `conf/experiment/`.
        subject: what it shows, in one line.
        details: more about it, in one line; may be empty.
        takes: minutes and hardware; empty if not measured.
        values: results by part of the experiment; the part is "" if there is only one.
        tags: keys of `TAGS`.
    """

    name: str
    room: str
    subject: str = ""
    details: str = ""
    takes: str = ""
    values: dict[str, Value] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @property
    def choice(self) -> str:
        """Name of its file for Hydra, such as `paper/table9`."""
        return f"{self.room}/{self.name}" if self.room else self.name

    @property
    def description(self) -> str:
        """Subject and details."""
        return f"{self.subject} {self.details}".strip()

    @property
    def minutes(self) -> float:
        """Minutes that it takes; 0 if not measured."""
        number = re.match(r"[\d.]+", self.takes)
        return float(number.group()) if number else 0.0


@cache
def experiments() -> dict[str, Experiment]:
    """Return every prepared experiment by name, room by room; tables come first in each."""
    found = [_read(path) for path in FOLDER.rglob("*.yaml")]
    rooms = [*ROOMS, ""]
    found.sort(key=lambda each: _natural(each.name))
    found.sort(key=lambda each: (rooms.index(each.room), not each.name.startswith("table")))
    return {each.name: each for each in found}


def tagged(*tags: str) -> list[Experiment]:
    """Return the experiments that have all these tags, the longest first."""
    chosen = [each for each in experiments().values() if set(tags) <= set(each.tags)]
    return sorted(chosen, key=lambda each: -each.minutes)


def current_name(name: str) -> str:
    """Return an experiment's present name, given its present or a former name."""
    return RENAMED.get(name, name)


def all_names(name: str) -> list[str]:
    """Return an experiment's name and its former names, which old records have."""
    return [name, *(former for former, present in RENAMED.items() if present == name)]


def experiment_name(choice: str | None) -> str:
    """Return an experiment's name, given the file that Hydra chose; `main` if it chose none."""
    if choice in (None, "null"):
        return "main"
    room, _, name = str(choice).rpartition("/")
    return name if room in ROOMS else str(choice)


def own_keys(choice: str) -> dict[str, Any]:
    """Return the keys that a prepared experiment sets, full and with values.

    Those of the experiments that its own defaults name are included.

    Args:
        choice: its file as Hydra names it, such as `paper/table9`; of a user's own file nothing is
            known.
    """
    path = FOLDER / f"{choice}.yaml"
    if not path.is_file():
        return {}
    node = OmegaConf.load(path)
    assert isinstance(node, DictConfig)
    keys: dict[str, Any] = {}
    for each in node.pop("defaults", []):
        if str(each).startswith("/experiment/"):
            keys |= own_keys(str(each).removeprefix("/experiment/"))
    return keys | dict(_leaves(node))


def unknown_experiment(name: str) -> str:
    """Return a sentence for a name that no experiment has, with close names."""
    end = did_you_mean(
        name.rpartition("/")[2], [*experiments(), *RENAMED], "`spear experiments` lists all",
        most=3, cutoff=0.7, called=current_name,
    )  # fmt: skip
    return f"experiment={name} does not exist; {end}."


def _read(path: Path) -> Experiment:
    name, room = path.stem, path.parent.relative_to(FOLDER).as_posix().removeprefix(".")
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = lines[: next((k for k, each in enumerate(lines) if not each.startswith("#")), None)]
    prose, takes = [], ""
    tags: tuple[str, ...] = ()
    values: dict[str, Value] = {}
    for line in _joined(comment[2:]):
        found = FIELD.fullmatch(line)
        if not found:
            prose.append(line)
            continue
        key, part, content = found.groups(default="")
        if key == "Takes":
            takes = content
        elif key == "Tags":
            tags = tuple(content.split())
        else:
            setattr(values.setdefault(part, Value()), key.lower(), content)
    subject, details = prose[0] if prose else "", " ".join(prose[1:])
    return Experiment(name, room, subject, details, takes, values, tags)


def _leaves(node: DictConfig, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items_ex(resolve=False):
        if isinstance(value, DictConfig):
            yield from _leaves(value, f"{prefix}{key!s}.")
        else:
            yield f"{prefix}{key!s}", value


def _joined(comment: list[str]) -> Iterator[str]:
    """Yield the lines of a comment without their #, indented ones joined to those before."""
    line = ""
    for each in comment:
        text = each.removeprefix("#").removeprefix(" ")
        if line and text.startswith("  "):
            line += f" {text.strip()}"
            continue
        if line:
            yield line
        line = text.strip()
    if line:
        yield line


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts table9 before table10."""
    return [(int(each), "") if each.isdigit() else (-1, each) for each in re.split(r"(\d+)", name)]
