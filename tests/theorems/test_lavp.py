"""The two theorems behind LAVP (arXiv 2312.12488), near the truth, as properties of its Hessians.

Bi-Lipschitz: with M and L the smallest and the largest eigenvalue of the matching loss's Hessian at
the truth x*, M |d|^2 / 2 <= loss(x* + d) <= L |d|^2 / 2 for small d. Drop of the loss: a step of
gradient descent with rate 1 / L lowers it by |grad|^2 / 2L or more, and to (1 - M / L) of it or
less, so that it drops the faster the nearer M and L are.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from spear.baselines.gradient_matching.objectives import CosineDistance, SquaredDistance
from spear.baselines.gradient_matching.problem import Problem
from spear.client.client import Client
from spear.client.risk.hessian import Gram, cosine_distance_hessian, squared_distance_hessian
from spear.client.risk.jacobian import GradientJacobian
from spear.data import Batch
from spear.networks import fcnn

LOSSES = {
    "l2": (SquaredDistance(), squared_distance_hessian),
    "cosine": (CosineDistance(), cosine_distance_hessian),
}
SHAPE = (1, 4, 5)
STEP = 1e-5
"""Length of d: third-order terms are about so much of the loss."""

SLACK = 1e-3

Loss = Callable[[Tensor], Tensor]


def near_the_truth(name: str, seed: int) -> tuple[Loss, Tensor, Tensor]:
    """The matching loss, the true input, and the Hessian there."""
    network = fcnn(SHAPE, 4, width=30, depth=2, seed=seed).double()
    inputs = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(seed)).double()
    batch = Batch(inputs, torch.tensor([seed % 4]))
    objective, hessian = LOSSES[name]
    problem = Problem(Client(network).share(batch).copied("cpu"), objective, {})
    entries = hessian(Gram(GradientJacobian(network, nn.CrossEntropyLoss(), batch))).entries()
    return lambda x: problem(x, batch.labels).total, inputs, torch.from_numpy(entries)


def steps(values: Tensor, vectors: Tensor, seed: int) -> list[Tensor]:
    """Random directions, and those of both ends of the spectrum."""
    random = torch.randn(6, len(values), generator=torch.Generator().manual_seed(seed)).double()
    every = torch.cat([random, vectors[:, [0, -1]].T])
    return [STEP * each / each.norm() for each in every]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_is_between_its_lipschitz_bounds(name, seed):
    loss, truth, hessian = near_the_truth(name, seed)
    values, vectors = torch.linalg.eigh(hessian)
    found = [2 * float(loss(truth + d.reshape(truth.shape)).detach()) / STEP**2
             for d in steps(values, vectors, seed)]  # fmt: skip
    least, most = float(values[0]), float(values[-1])
    assert all(least - SLACK * most <= each <= (1 + SLACK) * most for each in found)
    assert found[-2] == pytest.approx(least, abs=SLACK * most)
    assert found[-1] == pytest.approx(most, rel=SLACK)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", LOSSES)
def test_a_step_of_descent_drops_the_loss_as_far_as_the_theorem_says(name, seed):
    loss, truth, hessian = near_the_truth(name, seed)
    values, vectors = torch.linalg.eigh(hessian)
    least, most = float(values[0]), float(values[-1])
    for d in steps(values, vectors, seed):
        at = (truth + d.reshape(truth.shape)).requires_grad_()
        before = loss(at)
        (slope,) = torch.autograd.grad(before, at)
        after = float(loss(at.detach() - slope / most).detach())
        promised = float(before.detach()) - float(slope.square().sum()) / (2 * most)
        slack = SLACK * float(before.detach()) + SLACK * most * STEP**2
        assert after <= promised + slack
        assert after <= (1 - least / most) * float(before.detach()) + slack
