"""Fuzz tests of files: damaged updates, checkpoints and results are told in one sentence."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from fuzzing import (
    answered,
    changed,
    changes,
    check_along,
    damaged,
    every,
    examples,
)
from hypothesis import strategies as st
from safetensors.torch import save as as_safetensors
from torch import nn

import spear
from spear.auditing import Audit, Verdict, audit
from spear.experiments.cli.audited import load_update, load_weights


def model() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 4))


def inputs_and_gradients() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    network, generator = model(), torch.Generator().manual_seed(1)
    inputs = torch.randn(2, 8, generator=generator)
    nn.CrossEntropyLoss()(network(inputs), torch.tensor([0, 3])).backward()
    return inputs, {name: each.grad for name, each in network.named_parameters()}


def as_npz(tensors: dict[str, torch.Tensor]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **{name: each.numpy() for name, each in tensors.items()})
    return file.getvalue()


def as_pt(tensors: dict[str, torch.Tensor]) -> bytes:
    file = io.BytesIO()
    torch.save(tensors, file)
    return file.getvalue()


def check_found(found: Audit, inputs: torch.Tensor) -> None:
    """Check the inputs of the first layer, if they are called exact."""
    first = found.layers[0]
    if first.verdict is Verdict.EXACT:
        check_along(first.recovery.inputs, inputs)


WRITTEN = {".npz": as_npz, ".pt": as_pt, ".safetensors": as_safetensors}


@pytest.mark.parametrize("suffix", WRITTEN)
@examples(25, 600)
def test_damaged_updates(n, suffix, tmp_path):
    inputs, gradients = inputs_and_gradients()
    path = tmp_path / f"update{suffix}"

    def holds(content):
        path.write_bytes(content)
        found = answered(lambda: audit(model(), load_update(path), budget=0.5))
        if found is not None:
            check_found(found, inputs)

    every(n, damaged(WRITTEN[suffix](gradients)), holds)


@pytest.mark.parametrize("suffix", WRITTEN)
@examples(25, 600)
def test_damaged_weights(n, suffix, tmp_path):
    path = tmp_path / f"weights{suffix}"

    def holds(content):
        path.write_bytes(content)
        answered(lambda: load_weights(model(), path))

    every(n, damaged(WRITTEN[suffix](model().state_dict())), holds)


@examples(40, 1000)
def test_altered_updates_in_an_audit(n):
    inputs, gradients = inputs_and_gradients()

    def holds(drawn):
        found = answered(lambda: audit(model(), changed(gradients, drawn), budget=0.3))
        if found is not None:
            check_found(found, inputs)

    every(n, changes(gradients), holds)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A folder with the results of one job of two batches."""
    root = tmp_path_factory.mktemp("fuzz") / "outputs"
    small = ["network.width=16", "network.depth=2", "batch_size=1", "n_batches=2"]
    spear.run(["dataset=digits", *small, "tracking=off", f"output_root={root}"])
    return root


READ = {".csv", ".json", ".yaml"}
"""Files of results that are read."""


@examples(40, 1000)
def test_damaged_results(n, runs):
    (summary,) = runs.rglob("summary.json")
    folder = summary.parent
    content = {each.name: each.read_bytes() for each in folder.iterdir() if each.suffix in READ}

    def holds(case):
        name, at = case
        (folder / name).write_bytes(at)
        try:
            found = answered(lambda: spear.results(runs))
        finally:
            (folder / name).write_bytes(content[name])
        assert found is None or len(found)

    one = st.sampled_from(sorted(content)).flatmap(
        lambda name: st.tuples(st.just(name), damaged(content[name]))
    )
    every(n, one, holds)
