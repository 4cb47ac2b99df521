"""What rounding leaves of a layer pair."""

import torch

from benchmarks.rounding_limits import deviations
from spear.client.client import Client
from spear.data import Batch
from spear.inversion import SpearPair
from spear.inversion.pair.problem import pair_problem
from spear.networks import fcnn


def case(share: float):
    """A batch of four whose second input differs from the first by a share of its length."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(4, 40, generator=generator)
    inputs[1] = inputs[0] + share * inputs[1]
    data = Batch(inputs, torch.tensor([1, 2, 3, 4]))
    pair = SpearPair().observe(Client(fcnn((40,), 10, 50, 3, activation="tanh")).share(data))
    return pair, pair_problem(pair), inputs


def test_the_best_estimate_errs_as_found_errs():
    pair, problem, inputs = case(1.0)
    true = inputs.double()
    found = SpearPair(time_limit=20.0)(pair).inputs
    errors = (torch.cdist(found, true) / true.norm(dim=1)).amin(dim=0)
    wanted = deviations(problem, inputs)
    assert bool((errors < 30 * wanted).all())
    assert bool((errors > wanted / 30).all())


def test_inputs_that_are_nearly_alike_are_known_less():
    apart, near = (deviations(*case(share)[1:])[:2] for share in (1.0, 1e-2))
    assert bool((near > 10 * apart).all())
