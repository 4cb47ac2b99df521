"""`spear train-generator` as a user types it, and what it makes in `spear attack=gifd`."""

import csv

import pytest
import torch
from safetensors import safe_open
from support.command import Command, typed

from spear.baselines.generative.dcgan import DCGAN

TINY = ("dataset=digits", "generator.latent=4", "generator.width=4", "training.epochs=1")


@pytest.fixture
def train(tmp_path, monkeypatch, capfd):
    """Runs the command; gives the last line of what it said."""

    def run(*keys: str) -> str:
        line = ("spear", "train-generator", *TINY, f"output_root={tmp_path}", *keys)
        said = typed(monkeypatch, capfd, *line)
        return said.message if said.code else said.out

    return run


def test_it_writes_a_generator_that_the_attack_takes(train, tmp_path, monkeypatch, capfd):
    weights = tmp_path / "generators" / "digits.safetensors"
    assert "PSNR" in train()
    with safe_open(weights, "pt") as file:
        made = file.metadata()
    assert made["command"].startswith("spear train-generator dataset=digits generator.latent=4")
    assert made.keys() == {"architecture", "command", "git_sha", "torch", "psnr"}
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    outcome = spear(
        "attack=gifd", "dataset=digits", "batch_size=2", "n_batches=1", "attack.iterations=8",
        "attack.radii=[5]", "attack.restarts=1", f"attack.generator.weights={weights}",
        "defense=sparsification",
    )  # fmt: skip
    assert outcome.code == 0, outcome.error
    written = next((tmp_path / "out").rglob("batches.csv"))
    (row,) = csv.DictReader(written.open())
    assert row["status"] == "estimated"
    config = written.with_name("config.yaml").read_text()
    assert "spear.baselines.gradient_matching.SharedZeros" in config


def test_a_generator_of_other_pictures_is_refused_in_one_sentence(tmp_path, monkeypatch, capfd):
    DCGAN((3, 16, 16), latent=4, width=4).save(tmp_path / "other.safetensors", {})
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    outcome = spear(
        "attack=gifd", "dataset=digits", "batch_size=2", "n_batches=1",
        f"attack.generator.weights={tmp_path / 'other.safetensors'}", "attack.radii=[]",
    )  # fmt: skip
    assert outcome.code == 1
    assert "the generator makes images of shape (3, 16, 16), but the network takes inputs of" in (
        outcome.message
    )


def test_the_same_seed_gives_the_same_weights(train, tmp_path):
    made = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(f"weights={tmp_path / name}.safetensors", f"seed={seed}")
        made.append(DCGAN.trained(tmp_path / f"{name}.safetensors").state_dict())
    first, second, other = made
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not all(torch.equal(value, other[name]) for name, value in first.items())


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["weights=here.pt"], "key 'weights' is 'here.pt'; expected a file NAME.safetensors."),
        (["training.epochs=0"], "training.epochs is 0; expected at least 1."),
        (["training.half=true"], "key 'training.half' does not exist"),
        (["dataset=faces"], "examples have shape (1, 25, 25); the generator makes square"),
    ],
)
def test_what_it_cannot_do_is_told_in_one_sentence(train, keys, message):
    assert train(*keys).startswith(f"spear train-generator: {message}")
