"""The `spear` command inside the test process, which saves its start-up time, and its batches."""

import csv
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from spear.experiments.cli import entry as cli
from spear.experiments.cli import run as main
from spear.reconstruction import Reconstruction


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    error: str

    @property
    def message(self) -> str:
        """The last line of what the command said."""
        return self.error.strip().splitlines()[-1]


class Command:
    """Runs `spear` with its results under `output_root`, by default without drawing pictures."""

    def __init__(
        self,
        output_root: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
        pictures: bool = False,
    ) -> None:
        if not pictures:
            draw_nothing(monkeypatch)
        self.output_root = output_root
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *overrides: str, tracking: str = "off") -> Outcome:
        flags = [each for each in overrides if each.startswith("-")]
        keys = [each for each in overrides if not each.startswith("-")]
        own = [f"output_root={self.output_root}", f"tracking={tracking}"]
        arguments = [*flags, *own, *keys]
        self._monkeypatch.setenv("SPEAR_PACKAGES", "faulty,victims,own_metrics")
        return typed(self._monkeypatch, self._capfd, "spear", *arguments)

    def folder(self, name: str = "defaults", experiment: str = "main") -> Path:
        return self.output_root / experiment / name


def typed(
    monkeypatch: pytest.MonkeyPatch,
    capture: pytest.CaptureFixture[str],
    *line: object,
    main: Callable[[], None] = cli.main,
) -> Outcome:
    """What becomes of a command line, such as `"spear", "collect", folder`."""
    monkeypatch.setattr(sys, "argv", [*map(str, line)])
    capture.readouterr()
    code: int = 0
    said = ""
    try:
        main()
    except SystemExit as stop:
        said = stop.code if isinstance(stop.code, str) else ""
        code = 1 if isinstance(stop.code, str) else int(stop.code or 0)
    captured = capture.readouterr()
    return Outcome(code, captured.out, captured.err + said)


@dataclass
class Attacked:
    """Counts the batches attacked; before number `stop` it does what stops the job."""

    stop: int | None = None
    how: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGINT)
    batches: list[int] = field(default_factory=list)

    def __call__(self, *arguments: Any) -> tuple[Reconstruction, str]:
        k = arguments[-1]
        if k == self.stop:
            self.stop = None
            self.how()
        self.batches.append(k)
        return self.breach(*arguments)

    breach = staticmethod(main.breach)


def draw_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take most of the time of a small job."""

    def quick_figure(found: object, truth: object, path: Path, title: str) -> None:
        Image.new("L", (1, 1)).save(path)

    monkeypatch.setattr("spear.experiments.job.job.reconstruction_figure", quick_figure)


def read_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "batches.csv").open() as file:
        return list(csv.DictReader(file))


def numbers(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """All but times."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
