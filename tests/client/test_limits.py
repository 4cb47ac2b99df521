"""Clients from which on aggregation protects: docs/threat-model.md against the code."""

import pytest
import torch
from torch import nn

from spear.auditing import Verdict, audit
from spear.client import Client, WeightedMean
from spear.data import Batch, JointBatch
from spear.inversion import SpearIrls, SpearPair
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.reconstruction import Status
from spear.update import Update

M, N = 24, 60


def network(activation: type[nn.Module] = nn.GELU, m: int = M) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(N, m), activation(), nn.Linear(m, 80), nn.Tanh(), nn.Linear(80, 5)
    )


def clients(k: int, b: int) -> JointBatch:
    generator = torch.Generator().manual_seed(1)
    return JointBatch.of(
        {
            i: Batch(
                torch.randn(b, N, generator=generator), torch.randint(5, (b,), generator=generator)
            )
            for i in range(k)
        }
    )


def seen(net: nn.Module, joint: JointBatch) -> Update:
    return WeightedMean(len(joint.owners.unique())).share(Client(net), joint, None)


@pytest.mark.parametrize(("k", "b"), [(1, 12), (2, 6), (6, 2), (12, 1)])
def test_up_to_half_the_neurons_the_equations_of_a_pair_determine_all_clients(k, b):
    problem = pair_problem(seen(network(), clients(k, b)).observe_pair(1))
    assert isinstance(problem, PairProblem)
    assert problem.b == k * b == M // 2


@pytest.mark.parametrize(("k", "b"), [(1, 13), (13, 1), (7, 2), (3, 5)])
def test_beyond_it_the_pair_refuses_however_the_examples_are_shared_out(k, b):
    assert k * b > M / 2
    assert pair_problem(seen(network(), clients(k, b)).observe_pair(1)) is Status.FULL_RANK


@pytest.mark.parametrize(("k", "b"), [(24, 1), (8, 3), (5, 5)])
def test_from_as_many_examples_as_neurons_on_the_rank_is_full(k, b):
    observation = seen(network(nn.ReLU), clients(k, b)).observe(1)
    assert SpearIrls()(observation).status is Status.FULL_RANK


@pytest.mark.parametrize("activation", [nn.ReLU, nn.GELU])
def test_what_is_exact_for_one_client_is_exact_for_as_many_examples_of_several(activation):
    net, joint = network(activation, m=60), clients(5, 2)
    alone = Client(net).share(Batch(joint.inputs, joint.labels))
    for update in (alone, seen(net, joint)):
        found = SpearPair()(update.observe_pair(1))
        assert (found.status, found.batch_size) == (Status.EXACT, 10)
        distances = torch.cdist(joint.inputs.double(), found.inputs.double())
        assert (distances.min(dim=1).values < 1e-3).all()


def test_an_audit_of_the_mean_reads_the_images_of_all_clients():
    net, joint = network(nn.ReLU, m=60), clients(4, 2)
    found = audit(net, seen(net, joint).gradients, "0", input_shape=(N,))
    (layer,) = found.layers
    assert layer.verdict is Verdict.EXACT
    assert layer.recovery.found == 8
