"""Inputs so small that all of them activate the same neurons: their zeros determine nothing."""

import pytest
import torch
from support.problems import make_problem
from torch import nn

import spear
from spear.inversion import SpearIrls
from spear.inversion.directions.determined import has_kernel_of_one
from spear.inversion.factors.factorization import factorize
from spear.reconstruction import Status


@pytest.mark.parametrize("seed", range(6))
def test_they_are_never_exact(seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 10))
        inputs, labels = 1e-3 * torch.randn(4, 16), torch.randint(10, (4,))
    update = spear.Client(network).share(spear.Batch(inputs, labels))
    attack = SpearIrls(time_limit=0.5, max_starts=200)
    assert attack(attack.observe(update)).status is not Status.EXACT


def test_a_kernel_of_more_than_one_direction_is_seen():
    problem = factorize(make_problem(4).observation)
    directions = torch.eye(4, dtype=problem.left.dtype)
    none = torch.zeros(len(problem.left), 4, dtype=torch.bool)
    assert not has_kernel_of_one(problem, directions, none).any()
    few, enough = none.clone(), none.clone()
    few[:2], enough[:3] = True, True
    assert not has_kernel_of_one(problem, directions, few).any()
    assert has_kernel_of_one(problem, directions, enough).all()
