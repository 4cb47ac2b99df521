"""`attack=spear_input`: Sec. 3.2 with the inputs as the sparse factor."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from spear.client.client import Client
from spear.data.embedded import Digits, Faces
from spear.errors import ConfigError
from spear.inversion import SpearInput, SpearIrls
from spear.inversion.directions.zeros import zero_pattern
from spear.inversion.factors.gram import unit
from spear.inversion.inputs import Descent, Sampling
from spear.inversion.inputs.pool import InputPool
from spear.inversion.inputs.problem import InputProblem, transposed
from spear.layers import Sparsity
from spear.networks import fcnn
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status
from spear.scoring import match, truth_of
from spear.scoring.bounds import determined_directions


def observation_of(inputs: Tensor, gradients: Tensor, noise: float = 0.0) -> Observation:
    """What a server sees of X (n x b) and dL/dZ (m x b)."""
    m, n = len(gradients), len(inputs)
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(m, n, generator=generator, dtype=inputs.dtype)
    gradient, bias_gradient = gradients @ inputs.T, gradients.sum(dim=1)
    gradient += noise * torch.randn(m, n, generator=generator, dtype=inputs.dtype)
    return Observation(weight, torch.zeros(m, dtype=inputs.dtype), gradient, bias_gradient)


def behind_relu(
    b: int, n: int = 80, m: int = 40, seed: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Random X = ReLU(.) (n x b) and a dense dL/dZ (m x b)."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, b, generator=generator, dtype=dtype).relu()
    return inputs, torch.randn(m, b, generator=generator, dtype=dtype)


def problem_of(inputs: Tensor, gradients: Tensor) -> tuple[InputProblem, Tensor]:
    """The transposed problem, and the true p_i as rows (b x b)."""
    problem = transposed(observation_of(inputs, gradients))
    assert isinstance(problem, InputProblem)
    return problem, torch.linalg.lstsq(problem.left, inputs[problem.active].double()).solution.T


def error(found: Reconstruction, inputs: Tensor) -> float:
    """Largest error of an entry of the reconstructed inputs (true: n x b)."""
    order = match(found.inputs, inputs.T)
    return float((found.inputs[order] - inputs.T.double()).abs().max())


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), b=st.integers(2, 8), data=st.data())
def test_theorem_3_3_holds_transposed(seed, b, data):
    """Any b - 1 rows of rank b - 1 on which x_i is zero have p_i as their kernel."""
    inputs, gradients = behind_relu(b, seed=seed, dtype=torch.float64)
    problem, true = problem_of(inputs, gradients)
    i = data.draw(st.integers(0, b - 1))
    zero_rows = (inputs[problem.active][:, i] == 0).nonzero().flatten().tolist()
    rows = data.draw(st.permutations(zero_rows))[: b - 1]
    kernel = torch.linalg.svd(problem.left[rows], full_matrices=True)
    assume(len(rows) == b - 1 and float(kernel.S[-1]) > 1e-3)
    assert float((kernel.Vh[-1] @ unit(true)[i]).abs()) == pytest.approx(1.0, abs=1e-10)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), b=st.integers(1, 12))
def test_every_direction_has_its_own_scale(seed, b):
    problem, true = problem_of(*behind_relu(b, seed=seed, dtype=torch.float64))
    assert torch.allclose(true @ problem.sums, torch.ones(b, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(problem.scaled(unit(-true)), true, atol=1e-9)
    assert not problem.negative(true).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("b", [1, 2, 7, 16])
def test_dense_gradients_are_inverted_by_sparse_inputs(b, dtype):
    inputs, gradients = behind_relu(b, n=150, dtype=dtype)
    found = SpearInput()(observation_of(inputs, gradients))
    assert found.status == Status.EXACT
    assert found.sparsity_matching == 1.0
    assert found.batch_size == found.n_directions == b
    assert error(found, inputs) < 1e-5
    order = match(found.inputs, inputs.T)
    assert torch.allclose(found.activation_gradients[:, order], gradients.double(), atol=1e-3)


def test_the_factors_are_those_of_theorem_3_2():
    inputs, gradients = behind_relu(5, dtype=torch.float64)
    observation = observation_of(inputs, gradients)
    found = SpearInput()(observation)
    product = found.activation_gradients @ found.inputs
    assert torch.allclose(product, observation.weight_gradient, atol=1e-9)
    problem, _ = problem_of(inputs, gradients)
    restored = found.disaggregation @ found.inputs[:, problem.active]  # X^T = Q^-1 R
    assert torch.allclose(restored, problem.left.T, atol=1e-9)


def test_algorithm_1_transposed():
    """Submatrices of R^T can be sampled like those of L."""
    inputs, gradients = behind_relu(6)
    found = SpearInput(search=Sampling())(observation_of(inputs, gradients))
    assert found.status == Status.EXACT
    assert found.submatrices > 0
    assert error(found, inputs) < 1e-5


def test_linear_programs_find_what_the_sphere_does_not():
    """Biases dominate, as behind several layers at initialisation: most inputs are on for all
    samples or off for all."""
    generator = torch.Generator().manual_seed(0)
    spread, biases = (
        torch.randn(200, 8, generator=generator),
        torch.randn(200, 1, generator=generator),
    )
    inputs = (0.2 * spread + biases).relu()
    observation = observation_of(inputs, behind_relu(8)[1])
    without = SpearInput(search=Descent(programs=0), max_rounds=12)(observation)
    assert without.n_directions < 8
    found = SpearInput(search=Descent(), max_rounds=12)(observation)
    assert found.status == Status.EXACT
    assert error(found, inputs) < 1e-4


@pytest.mark.parametrize("b", [4, 8])
def test_the_last_layer_of_a_classifier(b):
    pictures = Digits()
    batch = pictures.batch(b, torch.Generator().manual_seed(0))
    client = Client(fcnn(pictures.input_shape, pictures.n_classes, depth=2))
    truth = truth_of(client, batch, 2)
    assert not (truth.activation_gradients == 0).any()
    found = SpearInput()(client.share(batch).observe(2, Sparsity.INPUT))
    assert found.status == Status.EXACT
    assert error(found, truth.inputs.T) < 1e-4


def test_both_attacks_agree_on_a_middle_layer():
    pictures = Faces()
    batch = pictures.batch(10, torch.Generator().manual_seed(0))
    client = Client(fcnn(pictures.input_shape, pictures.n_classes, depth=3))
    truth = truth_of(client, batch, 2).inputs.T
    update = client.share(batch)
    for attack in (SpearInput(layer=2), SpearIrls(layer=2)):
        found = attack(update.observe(2, attack.sparsity))
        assert found.status == Status.EXACT
        assert error(found, truth) < 1e-4


def test_inputs_that_are_zero_for_all_come_back_as_zeros():
    inputs, gradients = behind_relu(5)
    inputs[::7] = 0.0
    found = SpearInput()(observation_of(inputs, gradients))
    assert found.status == Status.EXACT
    assert not found.inputs[:, ::7].any()


def test_mixtures_are_no_directions():
    """Two samples mixed so that one more row vanishes; it carries a dimension alone."""
    inputs, gradients = behind_relu(5, n=300, dtype=torch.float64)
    problem, true = problem_of(inputs, gradients)
    pool = InputPool(problem)
    both = (inputs[:, 0] > 0) & (inputs[:, 1] > 0)
    row = int(both.nonzero()[0])
    mixture = inputs[row, 1] * true[0] - inputs[row, 0] * true[1]
    zeros = zero_pattern(problem, unit(mixture[None]).T)
    assert int(zeros.sum()) > problem.b  # sparse enough for a filter that only counts
    pool.add(unit(mixture[None]))
    assert len(pool) == 0
    pool.add(unit(true))
    assert len(pool) == 5
    assert pool.status == Status.EXACT


def test_zeros_without_a_relu_are_refused():
    """Sparse inputs of both signs: determined by their zeros, but no ReLU made them."""
    inputs, gradients = behind_relu(4)
    signs = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(2)).sign()
    found = SpearInput(max_rounds=6)(observation_of(inputs * signs, gradients))
    assert found.status == Status.SAMPLES_EXHAUSTED
    assert found.n_directions == 0


def test_inputs_that_their_zeros_do_not_determine_are_not_claimed():
    """One sample is zero on b - 2 inputs only; the others are found."""
    b = 6
    inputs, gradients = behind_relu(b, n=150)
    inputs[:, 0] = inputs[:, 0] + 0.5
    inputs[: b - 2, 0] = 0.0
    found = SpearInput(max_rounds=9)(observation_of(inputs, gradients))
    assert found.status == Status.SAMPLES_EXHAUSTED
    assert found.missing == 1
    assert found.batch_size == b
    rest = found.inputs[: b - 1]
    order = match(rest, inputs[:, 1:].T)
    assert float((rest[order] - inputs[:, 1:].T).abs().max()) < 1e-4


def test_noise_is_never_exact():
    inputs, gradients = behind_relu(4, n=150, m=100)
    found = SpearInput(max_rounds=6)(observation_of(inputs, gradients, noise=1e-4))
    assert found.status == Status.APPROXIMATE
    assert error(found, inputs) < 1e-2


def test_the_batch_must_be_smaller_than_the_number_of_classes():
    inputs, gradients = behind_relu(12, m=10)
    assert SpearInput()(observation_of(inputs, gradients)).status == Status.FULL_RANK


def test_a_zero_gradient():
    inputs, gradients = behind_relu(3)
    assert SpearInput()(observation_of(inputs, 0 * gradients)).status == Status.ZERO_GRADIENT


def test_the_time_limit_is_kept():
    inputs, gradients = behind_relu(12)
    found = SpearInput(time_limit=1e-9)(observation_of(inputs, gradients))
    assert found.details["rounds"] == 1
    assert found.status in (Status.TIMED_OUT, Status.EXACT)


def test_the_same_seed_gives_the_same_result():
    observation = observation_of(*behind_relu(8))
    first, second = (SpearInput()(observation, seed=3) for _ in range(2))
    torch.testing.assert_close(first.inputs, second.inputs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [({"rank": 0}, "^rank is 0"), ({"max_rounds": 0}, "^max_rounds is 0")],
)
def test_impossible_settings(settings_, message):
    with pytest.raises(ConfigError, match=message):
        SpearInput(**settings_)


def test_impossible_programs():
    with pytest.raises(ConfigError, match=r"^programs is -1"):
        Descent(programs=-1)


def test_the_rank_may_be_given():
    inputs, gradients = behind_relu(5)
    assert SpearInput(rank=5)(observation_of(inputs, gradients)).status == Status.EXACT


def test_what_the_zeros_determine():
    inputs, _ = behind_relu(6, n=150)
    assert determined_directions(inputs, to_spare=True) == 6
    inputs[:, 0] = inputs[:, 0] + 0.5
    for zeros, enough in ((5, False), (60, True)):  # five have rank b - 1 and nothing to spare
        few = inputs.clone()
        few[:zeros, 0] = 0.0
        few[zeros, 0] = 0.5
        assert determined_directions(few, to_spare=True) == 5 + enough
        assert determined_directions(few) == 6
