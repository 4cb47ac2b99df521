"""What the server holds: every way in which it can be unfit for an attack has its own sentence."""

import dataclasses
import math

import pytest
import torch
from support.problems import make_problem
from torch import Tensor, nn

from spear.client.client import Client
from spear.data.base import Batch
from spear.errors import InvalidObservation, LayerError
from spear.observation import Observation
from spear.scoring import truth_of

M, N = 5, 7
SHAPES = {"weight": (M, N), "bias": (M,), "weight_gradient": (M, N), "bias_gradient": (M,)}


def parts(**changed: object) -> dict[str, object]:
    """The arguments of a valid observation, some of them changed."""
    valid: dict[str, object] = {name: torch.ones(shape) for name, shape in SHAPES.items()}
    return valid | changed


def test_a_valid_observation_knows_its_dimensions():
    observation = Observation(**parts())
    assert (observation.m, observation.n) == (M, N)


def test_a_gradient_may_have_another_precision_than_the_weight():
    observation = Observation(**parts(weight_gradient=torch.ones(M, N, dtype=torch.float16)))
    assert observation.weight_gradient.dtype is torch.float16


def test_it_cannot_be_changed():
    observation = Observation(**parts())
    with pytest.raises(dataclasses.FrozenInstanceError):
        observation.weight = torch.zeros(M, N)


def test_to_device_keeps_everything():
    observation = make_problem(2).observation
    moved = observation.to("cpu")
    for field in dataclasses.fields(Observation):
        assert torch.equal(getattr(moved, field.name), getattr(observation, field.name))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", SHAPES)
def test_not_finite(name, value):
    bad = torch.ones(SHAPES[name])
    bad.view(-1)[2:4] = value
    with pytest.raises(
        InvalidObservation, match=rf"^{name} has {bad.numel()} entries, of which 2 are NaN"
    ):
        Observation(**parts(**{name: bad}))


@pytest.mark.parametrize("name", SHAPES)
def test_missing(name):
    with pytest.raises(
        InvalidObservation, match=f"no {name}; the attack needs weight and bias of a layer"
    ):
        Observation(**parts(**{name: None}))


@pytest.mark.parametrize(
    ("change", "said"),
    [(lambda x: x.to("meta"), "is on the meta device"), (lambda x: x.to_sparse(), "is sparse")],
)
@pytest.mark.parametrize("name", SHAPES)
def test_without_entries_of_its_own(name, change, said):
    with pytest.raises(InvalidObservation, match=f"{name} {said}.*expected a dense tensor"):
        Observation(**parts(**{name: change(torch.ones(SHAPES[name]))}))


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
@pytest.mark.parametrize("name", SHAPES)
def test_not_floating_point(name, dtype):
    with pytest.raises(InvalidObservation, match=f"{name} has dtype {dtype}"):
        Observation(**parts(**{name: torch.ones(SHAPES[name], dtype=dtype)}))


@pytest.mark.parametrize("name", SHAPES)
def test_not_a_tensor(name):
    with pytest.raises(InvalidObservation, match=f"{name} is a list; expected a torch.Tensor"):
        Observation(**parts(**{name: [1.0, 2.0]}))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("bias", (M + 1,)),
        ("bias", (M, 1)),
        ("bias", ()),
        ("weight_gradient", (N, M)),
        ("weight_gradient", (M * N,)),
        ("weight_gradient", (M, N, 1)),
        ("bias_gradient", (N,)),
    ],
)
def test_shapes_that_disagree(name, shape):
    with pytest.raises(InvalidObservation, match=f"^{name} has shape .* because weight has shape"):
        Observation(**parts(**{name: torch.ones(shape)}))


@pytest.mark.parametrize("shape", [(M,), (M, N, 1), (0, N), (M, 0), ()])
def test_weights_that_are_no_matrix(shape):
    with pytest.raises(InvalidObservation, match=r"^weight has shape .* expected m x n"):
        Observation(**parts(weight=torch.ones(shape)))


class TestObserve:
    """What a client's update shows of one layer."""

    def test_it_is_the_layers_own(self):
        problem = make_problem(3, m=20, n=30, depth=4, layer=2)
        layer = problem.network[3]
        assert torch.equal(problem.observation.weight, layer.weight)
        assert torch.equal(problem.observation.bias, layer.bias)
        assert problem.observation.n == 20
        expected = problem.truth.activation_gradients @ problem.truth.inputs
        assert torch.allclose(problem.observation.weight_gradient, expected, atol=1e-15)

    @pytest.mark.parametrize("layer", [-2, 0, 4, 100])
    def test_no_such_layer(self, layer):
        with pytest.raises(LayerError, match=f"layer is {layer}; .* linear layers 1 to 3"):
            make_problem(3, depth=3, layer=layer)

    def test_no_relu_follows(self):
        with pytest.raises(LayerError, match=r"no ReLU follows .* choose one of \[1, 2\]"):
            make_problem(3, depth=3, layer=3)

    def test_the_clients_network_is_left_alone(self):
        problem = make_problem(3)
        before = {name: value.clone() for name, value in problem.network.state_dict().items()}
        client = Client(problem.network)
        client.share(problem.batch)
        truth_of(client, problem.batch, 1)
        for name, value in problem.network.state_dict().items():
            assert torch.equal(value, before[name])
        assert all(each.grad is None for each in problem.network.parameters())

    def test_a_loss_that_overflows_is_refused(self):
        class Overflow(nn.Module):
            def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
                return outputs.sum() * math.inf

        problem = make_problem(3)
        update = Client(problem.network, loss=Overflow()).share(problem.batch)
        with pytest.raises(
            InvalidObservation, match=r"weight_gradient has \d+ entries, of which \d+"
        ):
            update.observe(1)

    def test_one_bad_pixel_is_refused(self):
        problem = make_problem(3)
        inputs = problem.batch.inputs.clone()
        inputs[0, 0] = math.nan
        update = Client(problem.network).share(Batch(inputs, problem.batch.labels))
        with pytest.raises(InvalidObservation, match="weight_gradient has"):
            update.observe(1)
