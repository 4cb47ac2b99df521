"""Biases and curvature fix the lengths of the inputs; where neither does, the result says so."""

import pytest
import torch
from support.pair_updates import private, share, victim

from spear.inversion import SpearPair
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.inversion.pair.proof import evidence, verdict
from spear.inversion.pair.scale import rests_on_biases
from spear.reconstruction import RESTS_ON_BIASES, Status

WORDS = "their lengths rest on the bias gradients alone"


def invert(shared):
    return SpearPair(time_limit=5.0, max_starts=100)(shared.pair)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "prelu"])
@pytest.mark.parametrize("factor", [1.0, 1.01, 2.0, 8.0])
def test_another_learning_rate_of_biases_is_another_batch_to_the_pair(activation, factor):
    """Without biases nothing contradicts x / factor, and the result says so."""
    batch = private(3)
    shared = share(victim(activation, deep=True, biases=False), batch)
    changed = {p: factor * getattr(shared, p) for p in ("bias_gradient", "next_bias_gradient")}
    found = invert(shared.changed(**changed))
    assert found.status is Status.EXACT
    assert found.details[RESTS_ON_BIASES] == 1
    assert WORDS in found.message
    distances = torch.cdist(factor * found.inputs, batch.inputs.double())
    assert float((distances.amin(dim=0) / batch.inputs.norm(dim=1)).max()) < 1e-4


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "gelu", "tanh"])
def test_biases_fix_the_lengths(activation):
    shared = share(victim(activation, deep=True), private(3))
    found = invert(shared)
    assert found.status is Status.EXACT
    assert RESTS_ON_BIASES not in found.details
    assert WORDS not in found.message
    both = {p: 2 * getattr(shared, p) for p in ("bias_gradient", "next_bias_gradient")}
    assert invert(shared.changed(**both)).status is not Status.EXACT


@pytest.mark.parametrize(
    ("activation", "open_"), [("gelu", False), ("silu", False), ("tanh", True)]
)
def test_curvature_fixes_the_lengths_but_not_the_signs_behind_an_odd_activation(activation, open_):
    problem = pair_problem(share(victim(activation, biases=False), private(3)).pair)
    assert isinstance(problem, PairProblem)
    rows = torch.linalg.lstsq(problem.first.right.T, private(3).inputs.double().T).solution.T
    found = evidence(problem, torch.linalg.inv(rows))
    assert verdict(problem, found) is Status.EXACT
    assert rests_on_biases(problem, found) is open_
