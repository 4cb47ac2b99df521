"""`exact` is never said of a wrong batch behind a layer pair, whatever became of the update.

The proof is also asked without the search, about the true batch as nearly as the gradients show
it and about mixtures of it: a search seldom ends where an altered update would mislead the proof.
"""

from collections.abc import Iterator

import pytest
import torch
from support.pair_alterations import ALTERATIONS, near_duplicates, scaled_inputs
from support.pair_updates import MODULES, Shared, private, share, victim
from torch import Tensor

from spear.errors import InvalidObservation
from spear.inversion import SpearPair
from spear.inversion.pair.finish import finished
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.inversion.pair.proof import evidence, verdict
from spear.reconstruction import Status

RIGHT = 1e-2
"""Error of an input, relative to its length, up to which it is right. Near duplicates need not be
told apart below that."""

ACTIVATIONS = list(MODULES)
SMALL, LARGE = (2, 3, 4, 1, 3), (2, 3, 5, 8, 12, 4, 6, 1, 10)
"""Batch sizes, cycled through the cases."""

MIXTURES = (0.03, 0.5)

EVERY = [(name, activation) for name in ALTERATIONS for activation in ACTIVATIONS]
SOME = [(name, ACTIVATIONS[(5 * i) % 8]) for i, name in enumerate(ALTERATIONS)]

Claim = tuple[Status, Tensor]


def case(alteration: str, activation: str, sizes: tuple[int, ...]) -> tuple[Shared, Tensor]:
    """The altered update of a case, and the inputs that are right; deterministic."""
    i, j = list(ALTERATIONS).index(alteration), ACTIVATIONS.index(activation)
    network = victim(activation, deep=(i + j) % 2 == 0, biases=(i + j // 2) % 3 != 0)
    batch = private(sizes[(i + 2 * j) % len(sizes)], seed=8 * i + j)
    return ALTERATIONS[alteration](network, batch, torch.Generator().manual_seed(10_000 + i))


def claims(shared: Shared, inputs: Tensor, seconds: float) -> Iterator[Claim]:
    """Every verdict on this update, with the inputs that it is about."""
    try:
        found = SpearPair(time_limit=seconds, max_starts=100)(shared.pair)
        problem = pair_problem(shared.pair)
    except InvalidObservation:
        return
    yield found.status, found.inputs
    if isinstance(problem, PairProblem) and problem.b <= len(inputs):
        yield from claims_of_proof(problem, inputs)


def claims_of_proof(problem: PairProblem, inputs: Tensor) -> Iterator[Claim]:
    """Verdicts on the true rows p and on mixtures with s . p = 1, before and after the last fit."""
    first, b = problem.first, problem.b
    rows = torch.linalg.lstsq(first.right.T, inputs[-b:].double().T).solution.T
    generator = torch.Generator().manual_seed(0)
    for share_of_others in (0.0, *MIXTURES):
        mixing = torch.eye(b, dtype=torch.float64)
        mixing += share_of_others * torch.randn(b, b, generator=generator, dtype=torch.float64)
        mixed = mixing / mixing.sum(dim=1, keepdim=True) @ rows
        plain = torch.linalg.inv(mixed)
        samples = Samples(mixed, plain.T, rows.new_zeros(b, problem.r))
        for disaggregation in (plain, finished(problem, samples)):
            status = verdict(problem, evidence(problem, disaggregation))
            yield status, torch.linalg.solve(disaggregation, first.right)


def largest_error(found: Tensor, inputs: Tensor) -> float:
    """Largest distance of a found input from the nearest true one, relative to that one."""
    distances = torch.cdist(found.double(), inputs.double())
    lengths = torch.linalg.vector_norm(inputs.double(), dim=1).clamp(min=1e-30)
    return float((distances / lengths).amin(dim=1).max())


def check(alteration: str, activation: str, sizes: tuple[int, ...], seconds: float) -> None:
    shared, inputs = case(alteration, activation, sizes)
    for status, found in claims(shared, inputs, seconds):
        if status is Status.EXACT:
            assert largest_error(found, inputs) <= RIGHT


@pytest.mark.parametrize(("alteration", "activation"), SOME)
@pytest.mark.few(30)
def test_no_wrong_exact(alteration, activation):
    check(alteration, activation, SMALL, seconds=0.2)


@pytest.mark.slow
@pytest.mark.parametrize(("alteration", "activation"), EVERY)
def test_no_wrong_exact_behind_any_activation(alteration, activation):
    check(alteration, activation, LARGE, seconds=1.0)


HONEST = ["none", "all scaled", "negated", "one label", "two batches"]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("alteration", HONEST)
@pytest.mark.few(13)
def test_the_truth_of_an_honest_update_is_proven(alteration, activation):
    """The proof does not refuse what it must not, either."""
    network = victim(activation, deep=True, biases=alteration != "none")
    generator = torch.Generator().manual_seed(1)
    shared, inputs = ALTERATIONS[alteration](network, private(2), generator)
    problem = pair_problem(shared.pair)
    assert isinstance(problem, PairProblem)
    _, (status, found), *_ = claims_of_proof(problem, inputs)
    assert status is Status.EXACT
    assert len(found) == len(inputs)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_near_duplicates_are_proven_only_if_the_activation_tells_them_apart(activation):
    """If no neuron has a kink between them, any two points of their line solve the equations."""
    network, generator = victim(activation, deep=True), torch.Generator().manual_seed(1)
    shared, inputs = near_duplicates(1e-2)(network, private(3), generator)
    problem = pair_problem(shared.pair)
    assert isinstance(problem, PairProblem)
    _, (status, _), *_ = claims_of_proof(problem, inputs)
    piecewise = shared.activation.pieces is not None
    assert (status is Status.EXACT) is not piecewise


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_duplicates_are_one_input_of_a_smaller_batch(activation):
    """The gradients of both samples add up to those of one."""
    network, generator = victim(activation), torch.Generator().manual_seed(0)
    shared, inputs = ALTERATIONS["duplicates"](network, private(3), generator)
    found = SpearPair(time_limit=5.0)(shared.pair)
    assert found.status is Status.EXACT
    assert found.inputs.shape == (2, inputs.shape[1])
    assert largest_error(found.inputs, inputs) < 1e-4
    assert largest_error(inputs, found.inputs) < 1e-4


@pytest.mark.parametrize("activation", ["gelu", "silu", "tanh", "elu"])
def test_mixtures_of_inputs_that_reach_a_linear_part_only_are_not_exact(activation):
    """All of them solve the equations to rounding, so that none is proven."""
    network, generator = victim(activation, biases=False), torch.Generator().manual_seed(0)
    shared, inputs = scaled_inputs(1e-6)(network, private(3), generator)
    problem = pair_problem(shared.pair)
    assert isinstance(problem, PairProblem)
    for status, _ in claims_of_proof(problem, inputs):
        assert status is not Status.EXACT


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "prelu"])
@pytest.mark.parametrize("bias", [0.0, 1e-8])
def test_biases_too_small_to_show_the_scale_leave_it_open(activation, bias):
    """Without dL/dc2, nothing else shows that dL/dc1 is twice what it was."""
    network = victim(activation, deep=True, biases=False)
    shared = share(network, private(3))
    shared = shared.changed(
        bias=torch.full_like(shared.bias, bias),
        bias_gradient=2 * shared.bias_gradient,
        next_bias_gradient=None,
    )
    found = SpearPair(time_limit=5.0)(shared.pair)
    assert found.status is Status.APPROXIMATE


def test_signs_that_nothing_shows_are_left_open():
    """-X has the same gradients of both weights: tanh is odd."""
    shared = share(victim("tanh", deep=True, biases=False), private(3))
    shared = shared.changed(bias_gradient=-shared.bias_gradient, next_bias_gradient=None)
    assert SpearPair(time_limit=5.0)(shared.pair).status is Status.APPROXIMATE


def test_more_unknowns_than_neurons_are_full_rank():
    """A direction and its part of G2 have 60 entries, and there are 50 neurons."""
    pair = share(victim("gelu", deep=True), private(30)).pair
    assert SpearPair(time_limit=5.0)(pair).status is Status.FULL_RANK


def test_a_batch_of_one_input_is_exact():
    batch = private(1)
    for activation in ACTIVATIONS:
        found = SpearPair(time_limit=5.0)(share(victim(activation), batch).pair)
        assert found.status is Status.EXACT
        assert largest_error(found.inputs, batch.inputs) < 1e-5
