"""The command with logs in other encodings, W&B's arguments, and a home that is none."""

import contextlib
import io
import json
import sys
from pathlib import Path

import pytest
import torch
import wandb
from support.command import Command, typed
from torch import nn

from spear.analysis.records.store import RESULTS
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


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("tables", "paper_sampling"), b"| 167.5 ? 1.0 |"),
        (("show", RESULTS / "table11", "dataset", "psnr_mean"), b"tiny_imagenet"),
        (("experiments", "--tag", "main", "--names"), b"table11"),
    ],
)
def test_other_subcommands_are_printed_in_ascii(line, said, tmp_path, monkeypatch):
    log = logged(monkeypatch, "ascii")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spear", *map(str, line)])
    with contextlib.suppress(SystemExit):
        cli.main()
    sys.stdout.flush()
    assert said in log.getvalue()


@pytest.mark.parametrize("arguments", [SMALL, ("attack.layer=1", *SMALL), ("seed=0", *SMALL)])
def test_a_job_takes_arguments_of_wandb_agent(tmp_path, monkeypatch, capfd, arguments):
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    outcome = spear(*(f"--{each}" for each in arguments))
    assert outcome.code == 0, outcome.error
    assert list(tmp_path.rglob("summary.json"))


@pytest.mark.parametrize(
    "line",
    [
        ("run", "--batch_size=1", "--attack=spear", "--attack/sampler=svd"),
        ("--attack=spear_irls", "--attack.settings.exponents=[1.0,0.5]", "--batch_size=1"),
        ("batch_size=1", "--network.width=50"),
    ],
)
def test_choices_lists_and_some_plain_arguments_are_taken_too(tmp_path, monkeypatch, capfd, line):
    more = ("--dataset=digits", "--n_batches=1", "--tracking=off", f"--output_root={tmp_path}")
    outcome = typed(monkeypatch, capfd, "spear", *line, *more)
    assert outcome.code == 0, outcome.error
    (summary,) = tmp_path.rglob("summary.json")
    assert json.loads(summary.read_text())["batch_size"] == 1


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder that nobody can write")
@pytest.mark.parametrize("own", [("HOME",), ("WANDB_DATA_DIR", "WANDB_CACHE_DIR")])
@pytest.mark.parametrize("place", ["/proc", "file"])
def test_a_job_is_complete_where_wandb_cannot_keep_its_own_files(
    own, place, tmp_path, monkeypatch, capfd
):
    (tmp_path / "file").touch()
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in own:
        monkeypatch.setenv(name, str(tmp_path / place))
    wandb.teardown()  # its service keeps the home with which it began
    try:
        spear = Command(tmp_path / "out", monkeypatch, capfd)
        outcome = spear(*SMALL, tracking="offline")
    finally:
        wandb.teardown()
    assert outcome.code == 0, outcome.error
    assert "Traceback" not in outcome.out + outcome.error
    assert list(tmp_path.rglob("summary.json"))


def test_a_key_that_does_not_exist_is_named_without_its_hyphens(tmp_path, monkeypatch, capfd):
    outcome = Command(tmp_path / "out", monkeypatch, capfd)("--batchsize=2")
    assert outcome.code == 1
    assert "key 'batchsize' does not exist; did you mean 'batch_size'?" in outcome.message
