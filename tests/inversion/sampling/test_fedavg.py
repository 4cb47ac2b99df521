"""SPEAR for local training (App. F): it ends at a lambda below 1, with the right directions."""

import pytest
import torch
from torch import nn

from spear.client.client import Client
from spear.client.local_training import FedAvg
from spear.data import Batch
from spear.inversion import Spear, SpearFedAvg
from spear.networks import fcnn
from spear.reconstruction import Reconstruction, Status

SHAPE, B, M = (3, 8, 8), 6, 60
N = 200_000
"""Submatrices, a hundred times what a batch takes."""


def updated(epochs: int, learning_rate: float, attack: Spear) -> tuple[Batch, Reconstruction]:
    inputs = torch.randn(B, *SHAPE, generator=torch.Generator().manual_seed(1))
    batch = Batch(inputs, torch.arange(B))
    network = fcnn(SHAPE, B, width=M, depth=3)
    client = Client(network, FedAvg(epochs, learning_rate), loss=nn.CrossEntropyLoss())
    update = client.share(batch, torch.Generator().manual_seed(2))
    return batch, attack(attack.observe(update))


def relative_error(batch: Batch, found: Reconstruction) -> float:
    """The largest relative distance of a true input from the nearest that was found."""
    true = batch.inputs.flatten(1).double()
    apart = torch.cdist(true, found.inputs.double())
    return float((apart.min(dim=1).values / true.norm(dim=1)).max())


@pytest.mark.parametrize(("epochs", "learning_rate"), [(1, 0.01), (5, 0.1), (20, 0.1)])
def test_after_local_steps_every_input_is_found(epochs, learning_rate):
    batch, found = updated(epochs, learning_rate, SpearFedAvg(max_submatrices=N))
    assert relative_error(batch, found) < 1e-3
    assert found.submatrices < N
    assert found.status is Status.APPROXIMATE


def test_a_lambda_of_1_is_never_reached_and_would_take_all_submatrices():
    batch, found = updated(20, 0.1, Spear(max_submatrices=N // 4))
    assert found.submatrices >= N // 4
    assert found.sparsity_matching < 1
    _, own = updated(20, 0.1, SpearFedAvg(max_submatrices=N))
    assert own.submatrices < found.submatrices / 4
    assert own.sparsity_matching == found.sparsity_matching
    assert relative_error(batch, found) < 1e-3


def test_a_single_gradient_is_as_exact_as_without():
    found = updated(1, 1.0, SpearFedAvg())[1]
    assert found.status in (Status.APPROXIMATE, Status.EXACT)
    inputs = torch.randn(B, *SHAPE, generator=torch.Generator().manual_seed(1))
    update = Client(fcnn(SHAPE, B, width=M, depth=3)).share(Batch(inputs, torch.arange(B)))
    both = [attack(attack.observe(update), seed=3) for attack in (Spear(), SpearFedAvg())]
    assert both[0].status is both[1].status is Status.EXACT
    assert torch.equal(both[0].inputs, both[1].inputs)
