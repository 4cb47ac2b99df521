"""Clipped examples of Table 9: the norms are those of single gradients, and the table is theirs."""

import json

import pandas as pd
import pytest
import torch
from support.command import Command, read_rows
from torch import nn

from benchmarks.clipped_examples import norms_of
from spear.analysis.records.clipped import RECORDED, counted, share_clipped
from spear.client.client import Client
from spear.client.defenses import DPSGD, NoDefense, example_norms
from spear.data import Batch
from spear.networks import fcnn
from spear.scoring.clipped import clipped_examples

SHAPE = (1, 4, 5)
LOSS = nn.CrossEntropyLoss()


def drawn(b: int = 6) -> Batch:
    inputs = torch.randn(b, *SHAPE, generator=torch.Generator().manual_seed(1))
    return Batch(inputs, torch.arange(b) % 3)


def test_the_norm_is_that_of_an_examples_own_gradient():
    network, batch = fcnn(SHAPE, 3, width=10, depth=2), drawn()
    norms = example_norms(network, LOSS, batch)
    for i in range(6):
        one = Batch(batch.inputs[i : i + 1], batch.labels[i : i + 1])
        gradient = Client(network).share(one).gradients
        flat = torch.cat([each.flatten() for each in gradient.values()])
        assert float(norms[i]) == pytest.approx(float(flat.norm()), rel=1e-5)


@pytest.mark.parametrize("over", [0, 2, 6])
def test_a_record_has_the_share_of_examples_above_c(over):
    network, batch = fcnn(SHAPE, 3, width=10, depth=2), drawn()
    norms = example_norms(network, LOSS, batch).sort(descending=True).values
    edges = torch.cat([norms[:1] * 2, norms, norms[-1:] / 2])
    c = float((edges[over] + edges[over + 1]) / 2)
    assert clipped_examples(Client(network, defense=DPSGD(c, 0.0)), batch) == {"clipped": over / 6}


def test_other_defenses_clip_no_example():
    client = Client(fcnn(SHAPE, 3, width=10, depth=2), defense=NoDefense())
    assert clipped_examples(client, drawn()) == {}


def test_a_job_records_the_share_of_each_batch(tmp_path, monkeypatch, capfd):
    spear = Command(tmp_path, monkeypatch, capfd)
    job = ("dataset=digits", "network.width=20", "network.depth=3", "batch_size=4", "n_batches=2")
    own = ("defense=dpsgd", "defense.max_norm=1e-3", "attack=spear_irls")
    assert spear(*job, *own, f"hydra.run.dir={tmp_path}/job").code == 0
    rows = read_rows(tmp_path / "job")
    assert [json.loads(each["details"])["clipped"] for each in rows] == [1.0, 1.0]


def test_the_share_of_records_comes_from_them_or_from_the_table():
    known = counted().iloc[-1]
    batches = pd.DataFrame({"data_hash": [known["data_hash"]] * 2})
    expected = known["clipped"] / known["examples"]
    assert share_clipped(batches, known["C"]) == expected
    assert share_clipped(batches, 77.0) is None
    assert share_clipped(batches.assign(data_hash="other"), known["C"]) is None
    assert share_clipped(batches.assign(**{RECORDED: [0.25, 0.75]}), known["C"]) == 0.5


@pytest.mark.slow
def test_the_table_is_what_the_recorded_batches_give(data_root):
    """The one batch of `table9_sampling`, drawn anew."""
    table = counted()
    (row,) = table[table["batches"] == 1].to_dict("records")
    settings = {
        "dataset": {"_target_": "spear.data.TinyImageNet", "root": str(data_root),
                    "split": "test", "normalize": True},
        "network": {"_target_": "spear.networks.fcnn", "width": 200, "depth": 6, "seed": 0},
        "batch_size": 20, "seed": 0,
    }  # fmt: skip
    norms, digest = norms_of(json.dumps(settings), 0, 1)
    assert digest == row["data_hash"]
    assert int((norms > row["C"]).sum()) == row["clipped"]
