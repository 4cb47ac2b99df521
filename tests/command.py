"""The `spear` command inside the test process, which saves its start-up time."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments import cli


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
    """Runs `spear` with its results under `output_root`."""

    def __init__(
        self, output_root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.output_root = output_root
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *overrides: str, tracking: str = "off") -> Outcome:
        flags = [each for each in overrides if each.startswith("-")]
        keys = [each for each in overrides if not each.startswith("-")]
        own = [f"output_root={self.output_root}", f"tracking={tracking}"]
        arguments = [*flags, *own, *keys]
        self._monkeypatch.setattr(sys, "argv", ["spear", *arguments])
        self._monkeypatch.setenv("SPEAR_PACKAGES", "faulty")
        self._capfd.readouterr()
        code: int = 0
        said = ""
        try:
            cli.main()
        except SystemExit as stop:
            said = stop.code if isinstance(stop.code, str) else ""
            code = 1 if isinstance(stop.code, str) else int(stop.code or 0)
        captured = self._capfd.readouterr()
        return Outcome(code, captured.out, captured.err + said)

    def folder(self, name: str = "defaults", experiment: str = "main") -> Path:
        return self.output_root / experiment / name
