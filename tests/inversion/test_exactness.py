"""`exact` is never said of inputs that are wrong, whatever became of the update."""

import pytest
import torch
from support.problems import make_problem
from torch import Tensor, nn

import spear
from spear.data import Batch, Digits
from spear.errors import InvalidObservation
from spear.layers import Sparsity
from spear.networks import fcnn
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status
from spear.scoring import match, truth_of

ATTACKS = [spear.SpearIrls(time_limit=2.0), spear.SpearInput(time_limit=2.0)]


def observed(b: int, layer: int = 1, seed: int = 0) -> tuple[Observation, Tensor]:
    """A float32 update of a layer without bias values, whose ReLU pattern tells no scale."""
    problem = make_problem(b, m=60, dtype=torch.float32, seed=seed, layer=layer)
    network = problem.network
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear):
                module.bias.zero_()
    client = spear.Client(network)
    given = client.share(problem.batch).observe(layer)
    assert not given.bias.any()
    return given, truth_of(client, problem.batch, layer).inputs


def with_bias_gradient(given: Observation, bias_gradient: Tensor) -> Observation:
    return Observation(given.weight, given.bias, given.weight_gradient, bias_gradient)


def largest_error(found: Reconstruction, inputs: Tensor) -> float:
    order = match(found.inputs, inputs)
    return float((found.inputs[order] - inputs).abs().max())


@pytest.mark.parametrize("b", [1, 3])
def test_an_unaltered_update_of_a_layer_without_bias_is_exact(b):
    given, inputs = observed(b)
    found = ATTACKS[0](given)
    assert found.status == Status.EXACT
    assert largest_error(found, inputs) < 1e-4


@pytest.mark.parametrize("b", [1, 3])
@pytest.mark.parametrize("change", ["permuted", "noisy", "rounded"])
def test_a_bias_gradient_of_another_scale_is_not_exact(b, change):
    """Without bias values every positive scale has the same ReLU pattern (lambda = 1)."""
    given, _ = observed(b)
    gradient = given.bias_gradient
    generator = torch.Generator().manual_seed(0)
    changed = {
        "permuted": gradient[torch.randperm(len(gradient), generator=generator)],
        "noisy": gradient + 0.1 * gradient.std() * torch.randn(60, generator=generator),
        "rounded": gradient.bfloat16().float(),
    }[change]
    found = ATTACKS[0](with_bias_gradient(given, changed))
    assert found.status != Status.EXACT


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_bias_gradient_of_zeros_is_refused(attack):
    given, _ = observed(3, layer=2)
    with pytest.raises(InvalidObservation, match="bias_gradient is zero everywhere"):
        attack(with_bias_gradient(given, torch.zeros(60)))


def test_inputs_that_noise_in_few_singular_values_mixes_are_not_exact():
    """Weights before and after one small step: ten classes show too few singular values for a law
    of noise, and some of the directions found are mixtures."""
    batch = Digits().batch(8, torch.Generator().manual_seed(1))
    network = fcnn((1, 8, 8), 10, width=100, depth=2)
    last = network[-1]
    gradients = spear.Client(network).share(batch).gradients
    changes = []
    for parameter, name in ((last.weight, "3.weight"), (last.bias, "3.bias")):
        before = parameter.detach()
        changes.append(before - (before - 0.01 * gradients[name]))
    given = Observation(last.weight.detach(), last.bias.detach(), *changes)
    found = spear.SpearInput(time_limit=5.0)(given)
    assert found.status != Status.EXACT


@pytest.mark.parametrize(("classes", "b"), [(2, 1), (2, 3), (3, 3), (4, 4), (4, 5)])
def test_more_inputs_than_a_softmax_shows_are_not_exact(classes, b):
    """dL/dZ sums to zero over the classes, so that its rank is at most their number less one."""
    for seed in range(3):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(20, 60), nn.ReLU(), nn.Linear(60, classes))
        batch = Batch(torch.randn(b, 20), torch.randint(classes, (b,)))
        observation = spear.Client(network).share(batch).observe(2, Sparsity.INPUT)
        found = spear.SpearInput(time_limit=1.0)(observation)
        assert found.status == Status.FULL_RANK


def test_one_input_fewer_is_exact():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(20, 60), nn.ReLU(), nn.Linear(60, 4))
    client, batch = spear.Client(network), Batch(torch.randn(2, 20), torch.tensor([0, 3]))
    found = spear.SpearInput()(client.share(batch).observe(2, Sparsity.INPUT))
    assert found.status == Status.EXACT
    assert largest_error(found, truth_of(client, batch, 2).inputs) < 1e-4


def test_one_input_that_no_relu_made_is_not_exact():
    """Every direction of one dimension is right, but not what it says of the inputs."""
    generator = torch.Generator().manual_seed(0)
    gradients, inputs = (torch.randn(k, generator=generator) for k in (10, 30))
    weight, bias = torch.zeros(10, 30), torch.zeros(10)
    given = Observation(weight, bias, torch.outer(gradients, inputs), gradients)
    assert spear.SpearInput()(given).status != Status.EXACT
    given = Observation(weight, bias, torch.outer(gradients, inputs.relu()), gradients)
    assert spear.SpearInput()(given).status == Status.EXACT
