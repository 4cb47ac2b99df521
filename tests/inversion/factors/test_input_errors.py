"""Inputs of a small weight in the loss are known less exactly, and the status says so."""

import pytest
import torch
from torch import nn

from spear.activations.named import elementwise
from spear.inversion import SpearIrls, SpearPair
from spear.inversion.factors.factorization import factorize
from spear.inversion.factors.input_errors import ALLOWED_ERROR, input_errors, qualified
from spear.networks import fcnn
from spear.observation import LayerPair, Observation
from spear.reconstruction import LARGEST_ERROR, LEAST_CERTAIN, UNCERTAIN, Status
from spear.tracing.activations import Activation

B = 5
WEIGHTS = (1.0, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


def weighted(weight, seed=0, activation="relu") -> tuple[LayerPair, torch.Tensor]:
    """The gradients in float32 of a batch whose first sample has another weight in the loss."""
    model = fcnn((60,), 10, 100, 2, activation=activation, seed=seed)
    generator = torch.Generator().manual_seed(seed + 1)
    inputs = torch.randn(B, 60, generator=generator)
    labels = torch.randint(0, 10, (B,), generator=generator)
    weights = torch.ones(B)
    weights[0] = weight
    losses = nn.functional.cross_entropy(model(inputs), labels, reduction="none")
    first, second = (each for each in model.modules() if isinstance(each, nn.Linear))
    wanted = [first.weight, first.bias, second.weight, second.bias]
    gradients = torch.autograd.grad((losses * weights).mean(), wanted)
    own = Observation(first.weight.detach(), first.bias.detach(), *gradients[:2])
    sigma = elementwise(Activation(activation), {})
    return LayerPair(own, second.weight.detach(), gradients[2], sigma, gradients[3]), inputs


def errors_of(found, inputs) -> torch.Tensor:
    """Relative error of each row of a reconstruction (b'), from the input that it is nearest to."""
    true = inputs.double()
    return (torch.cdist(found.inputs, true) / true.norm(dim=1)).amin(dim=1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weight", WEIGHTS)
def test_exact_is_within_its_bound_at_every_weight(weight, seed):
    """Below 1e-6 the sample's gradient is below rounding, and it is none of those found."""
    pair, inputs = weighted(weight, seed)
    found = SpearIrls(time_limit=None, max_starts=300)(pair.first)
    errors = errors_of(found, inputs)
    if found.status is Status.EXACT:
        assert float(errors.max()) <= ALLOWED_ERROR
        assert UNCERTAIN not in found.details
    elif found.status is Status.APPROXIMATE:
        assert int(found.details[LEAST_CERTAIN]) == int(errors.argmax())
        assert float(errors.max()) <= found.details[LARGEST_ERROR]
        assert f"input {int(errors.argmax())} the most" in found.message
    assert weight < 1e-4 or found.status is Status.EXACT  # it is not lost where it holds


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_pair_is_exact_within_its_bound_at_every_weight(weight, activation):
    pair, inputs = weighted(weight, activation=activation)
    found = SpearPair(time_limit=None, max_starts=300)(pair)
    if found.status is Status.EXACT:
        assert float(errors_of(found, inputs).max()) <= ALLOWED_ERROR
    assert weight < 1e-2 or found.status is Status.EXACT


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weight", WEIGHTS[:5])
def test_the_bound_follows_the_error(weight, seed):
    """It is no more than 12 times the error of the weak input, and never below it."""
    pair, inputs = weighted(weight, seed)
    problem = factorize(pair.first)
    true = torch.linalg.lstsq(problem.right.T, inputs.double().T).solution
    bound = input_errors(problem, torch.linalg.inv(true.T))
    found = SpearIrls(time_limit=None, max_starts=300)(pair.first)
    distances = torch.cdist(found.inputs, inputs.double()) / inputs.double().norm(dim=1)
    error = float(distances.amin(dim=0)[0])
    assert error <= float(bound[0]) <= 12 * error


def test_a_larger_weight_makes_the_bound_smaller():
    bounds = []
    for weight in WEIGHTS[:5]:
        pair, inputs = weighted(weight)
        problem = factorize(pair.first)
        rows = torch.linalg.lstsq(problem.right.T, inputs.double().T).solution.T
        bounds.append(float(input_errors(problem, torch.linalg.inv(rows))[0]))
    assert bounds == sorted(bounds)
    assert bounds[-1] > ALLOWED_ERROR > bounds[0]


def test_an_error_that_is_no_number_is_not_exact():
    errors = torch.tensor([1e-6, float("nan"), 1e-6])
    status, details = qualified(Status.EXACT, {}, errors)
    assert status is Status.APPROXIMATE
    assert details[UNCERTAIN] == 1
    assert details[LEAST_CERTAIN] == 1
