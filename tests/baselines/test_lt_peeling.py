"""Peeling: derivatives by autograd, the order of exclusive neurons by hand, small networks."""

import pytest
import torch
from support.patterns import layer_of_pattern
from torch import Tensor, nn

from spear.baselines.lt_peeling import LtPeeling, Tolerances
from spear.baselines.lt_peeling.certificate import certified
from spear.baselines.lt_peeling.downstream import Downstream
from spear.baselines.lt_peeling.peeling import Peeling, first_of_equals
from spear.client.client import Client
from spear.data.base import Batch
from spear.domain import Domain
from spear.errors import ConfigError, LayerError, VictimError
from spear.networks import fcnn, lenet, one_hidden_layer
from spear.reconstruction import Status
from spear.scoring import match
from spear.update import Update

N, K = 6, 4


def chosen_pattern(active: Tensor, seed: int = 0) -> tuple[nn.Module, Batch]:
    """A network whose neurons fire for the inputs that `active` (m x b) says."""
    generator = torch.Generator().manual_seed(seed)
    m, b = active.shape
    inputs = torch.randn(b, N, generator=generator, dtype=torch.float64)
    weight, bias = layer_of_pattern(active, inputs, generator)
    network = one_hidden_layer((N,), K, width=m, seed=seed)
    with torch.no_grad():
        network[2].weight.copy_(weight)
        network[2].bias.copy_(bias)
    labels = torch.randint(K, (b,), generator=generator)
    return network, Batch(inputs, labels)


CHAIN = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 1, 1]]).bool()
"""Neuron 1 gives input 1 away; without it neuron 2 gives input 2, and then neuron 3 input 3."""

CLOSED = torch.tensor([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 1]]).bool()
"""Only input 1 can be peeled off: each other neuron has at least two inputs for good."""


def started(network: nn.Module, batch: Batch) -> Peeling:
    update = Client(network).share(batch).copied("cpu", torch.float64)
    seen = update.observe(1)
    b = len(batch.inputs)
    return Peeling(Downstream.of(update), seen.weight_gradient, seen.bias_gradient, b, Tolerances())


def test_a_chain_of_exclusive_neurons_is_peeled_one_a_round():
    network, batch = chosen_pattern(CHAIN)
    peeling = started(network, batch)
    for found in range(1, 4):
        assert peeling.round()
        assert len(peeling.inputs) == found
        assert torch.allclose(peeling.inputs[found - 1], batch.inputs[found - 1], rtol=1e-9)
    assert peeling.labels.tolist() == batch.labels.tolist()
    assert peeling.weight_gradient.abs().max() < 1e-12
    assert not peeling.round()


def test_what_no_neuron_has_alone_stays():
    network, batch = chosen_pattern(CLOSED)
    peeling = started(network, batch)
    assert peeling.round()
    assert not peeling.round()
    assert torch.allclose(peeling.inputs, batch.inputs[:1], rtol=1e-9)
    found = LtPeeling(batch_size=4)(Client(network).share(batch))
    assert (found.status, found.n_directions, found.batch_size) == (Status.PARTIAL, 1, 4)
    assert found.labels is not None
    assert found.labels[0].argmax() == batch.labels[0]
    assert not found.labels[1:].any()
    assert not found.inputs[1:].any()


def test_a_mixture_has_no_certificate_but_a_sample_has_its_label():
    network, batch = chosen_pattern(CHAIN)
    peeling = started(network, batch)
    mixture = (batch.inputs[0] + 2 * batch.inputs[1]) / 3
    tried = torch.stack([mixture, batch.inputs[0]])
    sources = torch.tensor([1, 0])
    arguments = (peeling.bias_gradient, 3, 1e-8, 1e-10)
    accepted = certified(peeling.downstream, tried, sources, *arguments)
    assert torch.equal(accepted.inputs, batch.inputs[:1])
    assert accepted.labels.tolist() == batch.labels[:1].tolist()


def test_of_too_many_samples_those_that_explain_most_are_returned():
    network, batch = chosen_pattern(CHAIN)
    peeling = started(network, batch)
    while peeling.round():
        pass
    assert (peeling.explained > 1e-6).all()
    peeling.inputs = torch.cat([torch.ones(1, N, dtype=torch.float64), peeling.inputs])
    peeling.labels = torch.cat([torch.tensor([0]), peeling.labels])
    peeling.explained = torch.cat([torch.tensor([1e-9]).double(), peeling.explained])
    inputs, labels = peeling.best()
    order = match(inputs, batch.inputs)
    assert torch.allclose(inputs[order], batch.inputs, rtol=1e-9)
    assert torch.equal(labels[order], batch.labels)


def test_derivatives_are_those_of_autograd_behind_any_network():
    network = fcnn((N,), K, width=8, depth=4).double()
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(5, N, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 0])
    update = Client(network).share(Batch(inputs, labels)).copied("cpu", torch.float64)
    downstream = Downstream.of(update)
    z = downstream.pre_activations(inputs)
    jacobian = torch.autograd.functional.jacobian(lambda each: downstream.logits(each).sum(0), z)
    neurons = torch.tensor([0, 3, 7, 2, 1])
    expected = torch.stack([jacobian[:, i, j] for i, j in enumerate(neurons.tolist())])
    assert torch.allclose(downstream.jacobian_rows(z, neurons), expected, atol=1e-12)
    leaf = z.detach().requires_grad_()
    nn.functional.cross_entropy(downstream.logits(leaf), labels, reduction="sum").backward()
    assert torch.allclose(downstream.pulled_back(z, labels), leaf.grad, atol=1e-12)


def test_equal_rows_are_kept_once():
    rows = torch.randn(6, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    near = rows[2] + 1e-9
    assert first_of_equals(torch.cat([rows, rows[:1], near[None]]), 1e-6) == list(range(6))
    far = rows[2] + 1e-3
    assert first_of_equals(torch.cat([rows, far[None]]), 1e-6) == list(range(7))


@pytest.mark.parametrize("told", [True, False])
def test_a_small_batch_is_exact_with_its_labels(told):
    generator = torch.Generator().manual_seed(0)
    batch = Batch(torch.rand(5, 40, generator=generator), torch.tensor([0, 1, 2, 3, 1]))
    network = one_hidden_layer((40,), K, width=300, deviation=None)
    attack = LtPeeling(batch_size=5 if told else None)
    update = Client(network).share(batch)
    attack.check(network, update.domain)
    found = attack(attack.observe(update))
    assert found.status is Status.EXACT
    order = match(found.inputs, batch.inputs)
    assert (found.inputs[order] - batch.inputs).abs().max() < 1e-9
    assert found.labels is not None
    assert found.labels[order].argmax(dim=1).tolist() == batch.labels.tolist()
    assert found.details["peeled"] == 5


def test_samples_that_the_loss_certifies_alone_are_no_proof():
    """A duplicate: the gradient has rank 2, both copies share all neurons, and 3 are expected."""
    network, batch = chosen_pattern(torch.tensor([[1, 0], [0, 1], [1, 1], [1, 0]]).bool())
    twice = Batch(batch.inputs[[0, 1, 1]], batch.labels[[0, 1, 1]])
    assert LtPeeling(batch_size=3)(Client(network).share(twice)).status is not Status.EXACT


def test_the_time_limit_ends_it():
    network, batch = chosen_pattern(CHAIN)
    found = LtPeeling(batch_size=3, time_limit=1e-9)(Client(network).share(batch))
    assert (found.status, found.n_directions) == (Status.TIMED_OUT, 0)


def test_what_it_cannot_attack_is_refused():
    with pytest.raises(ConfigError, match=r"^max_rounds is 0; expected at least 1"):
        LtPeeling(max_rounds=0)
    with pytest.raises(ConfigError, match=r"^live is 0; expected more than 0"):
        LtPeeling(tolerances=Tolerances(live=0))
    with pytest.raises(LayerError, match="no ReLU follows"):
        LtPeeling().check(fcnn((N,), K, 5, 2, activation="gelu"), Domain.unbounded((N,)))
    with pytest.raises((VictimError, LayerError)):
        LtPeeling().check(lenet((1, 8, 8), K), Domain.unbounded((1, 8, 8)))
    behind = nn.Sequential(nn.AvgPool1d(2), nn.Flatten(), nn.Linear(4, 5), nn.ReLU())
    network = nn.Sequential(behind, nn.Linear(5, K))
    with pytest.raises(VictimError, match="takes 4 numbers, but an input has 8; this attack needs"):
        LtPeeling().check(network, Domain.unbounded((1, 8)))
    network, batch = chosen_pattern(CHAIN)
    shared = Client(network).share(batch)
    summed = Update(network, shared.gradients, nn.CrossEntropyLoss(reduction="sum"), shared.domain)
    with pytest.raises(VictimError, match="mean cross-entropy"):
        LtPeeling(batch_size=3)(summed)
