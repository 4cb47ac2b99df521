"""The command where logs have other encodings, and with the arguments of `wandb agent`."""

import io
import sys
from pathlib import Path

import pytest
import torch
from support.command import Command
from torch import nn

from spear.experiments.cli import entry as cli

SMALL = ("batch_size=1", "n_batches=1", "dataset=digits")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 60), nn.ReLU(), nn.Linear(60, 4))


def logged(monkeypatch: pytest.MonkeyPatch, encoding: str) -> io.BytesIO:
    """Standard output as a log of an encoding without Greek letters."""
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding=encoding))
    return written


ENCODINGS = ["ascii", "cp1252"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_audit_is_printed_in_any_encoding(encoding: str, tmp_path: Path, monkeypatch):
    log = logged(monkeypatch, encoding)
    model = network()
    batch = torch.randn(2, 16), torch.tensor([0, 1])
    nn.functional.cross_entropy(model(batch[0]), batch[1]).backward()
    torch.save({name: each.grad for name, each in model.named_parameters()}, tmp_path / "g.pt")
    page = tmp_path / "page.html"
    name = f"{__name__}:{network.__name__}"
    arguments = ["--model", name, "--update", tmp_path / "g.pt", "--html", page]
    monkeypatch.setattr("sys.argv", ["spear", "audit", *map(str, arguments)])
    cli.main()
    sys.stdout.flush()
    assert b"? = 1 (1 if the pattern of zeros matches everywhere)" in log.getvalue()
    assert "λ = 1" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_job_is_printed_in_any_encoding(encoding: str, tmp_path: Path, monkeypatch):
    logged(monkeypatch, encoding)
    monkeypatch.setattr("sys.argv", ["spear", *SMALL, "tracking=off", f"output_root={tmp_path}"])
    cli.main()
    assert list(tmp_path.rglob("summary.json"))


@pytest.mark.parametrize("arguments", [SMALL, ("attack.layer=1", *SMALL), ("seed=0", *SMALL)])
def test_a_job_takes_arguments_of_wandb_agent(tmp_path, monkeypatch, capfd, arguments):
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    outcome = spear(*(f"--{each}" for each in arguments))
    assert outcome.code == 0, outcome.error
    assert list(tmp_path.rglob("summary.json"))


def test_a_key_that_does_not_exist_is_named_without_its_hyphens(tmp_path, monkeypatch, capfd):
    outcome = Command(tmp_path / "out", monkeypatch, capfd)("--batchsize=2")
    assert outcome.code == 1
    assert "key 'batchsize' does not exist; did you mean 'batch_size'?" in outcome.message
