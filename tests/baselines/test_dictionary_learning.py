"""Dictionary learning: known dictionaries of sparse codes, and small gradients."""

import math

import pytest
import torch
from scipy.optimize import linprog
from support.problems import make_problem
from support.recovery import generator
from torch import Tensor

from spear.baselines.dictionary_learning import (
    DictionaryLearning,
    L4Maximisation,
    RiemannianL1,
    rounded,
)
from spear.baselines.dictionary_learning.l4 import polar
from spear.errors import ConfigError
from spear.reconstruction import Status

LEARNERS = [L4Maximisation(), RiemannianL1(starts=6, iterations=120)]
per_learner = pytest.mark.parametrize("learner", LEARNERS, ids=["l4", "l1"])


def bernoulli_gaussian(atoms: int = 10, samples: int = 1500) -> tuple[Tensor, Tensor]:
    """Samples Y^T = X^T D^T of an orthogonal D; three codes in ten are not zero."""
    drawn = generator()
    dictionary = polar(torch.randn(atoms, atoms, generator=drawn, dtype=torch.float64))
    codes = torch.randn(samples, atoms, generator=drawn, dtype=torch.float64)
    codes *= torch.rand(samples, atoms, generator=drawn) < 0.3
    rows = codes @ dictionary.T
    return rows / rows.std(), dictionary


@per_learner
def test_an_orthogonal_dictionary_of_sparse_codes_is_learnt(learner):
    samples, dictionary = bernoulli_gaussian()
    found = learner(samples, generator(1))
    cosines = (found @ dictionary).abs()
    assert cosines.amax(dim=0).min() > 0.99  # every atom
    exact = (rounded(samples, found) @ dictionary).abs()
    assert (1 - exact.amax(dim=0)).max() < 1e-8


def test_msp_raises_the_l4_norm_to_that_of_the_dictionary():
    samples, dictionary = bernoulli_gaussian()
    start = L4Maximisation(iterations=1)(samples, generator(1))
    end = L4Maximisation(iterations=100)(samples, generator(1))
    norms = [float((samples @ each.T).pow(4).sum()) for each in (start, end, dictionary.T)]
    assert norms[0] < norms[1]
    assert norms[1] == pytest.approx(norms[2], rel=0.02)
    assert torch.allclose(end @ end.T, torch.eye(len(end), dtype=end.dtype), atol=1e-10)


def test_msp_learns_no_dense_codes():
    """Gaussian codes have no dictionary: what is found is as good as any other."""
    samples = torch.randn(3000, 10, generator=generator(), dtype=torch.float64)
    found = [L4Maximisation()(samples, generator(seed)) for seed in (1, 2)]
    assert (found[0] @ found[1].T).abs().amax(dim=0).min() < 0.9


def test_rounding_solves_the_linear_program():
    """|Y^T q|_1 at r . q = 1 is that of scipy's simplex."""
    samples, _ = bernoulli_gaussian(6, 80)
    start = torch.randn(6, generator=generator(2), dtype=torch.float64)
    start /= start.norm()
    found = rounded(samples, start[None])[0]
    reached = float((samples @ found).abs().sum() / (start @ found))
    m, b = samples.shape
    identity = torch.eye(m, dtype=torch.float64)
    above = torch.cat([torch.cat([samples, -identity], 1), torch.cat([-samples, -identity], 1)])
    solved = linprog(
        c=[0.0] * b + [1.0] * m,
        A_ub=above.numpy(),
        b_ub=[0.0] * (2 * m),
        A_eq=[start.tolist() + [0.0] * m],
        b_eq=[1.0],
        bounds=[(None, None)] * b + [(0, None)] * m,
    )
    assert reached == pytest.approx(solved.fun, rel=1e-3)


def test_the_riemannian_gradient_is_tangent_and_that_of_autograd():
    samples, _ = bernoulli_gaussian(5, 200)
    learner = RiemannianL1(smoothing=0.1)
    direction = torch.randn(1, 5, generator=generator(3), dtype=torch.float64)
    direction /= direction.norm()
    leaf = direction.clone().requires_grad_()
    value = 0.1 * (leaf @ samples.T / 0.1).cosh().log().mean()
    (euclidean,) = torch.autograd.grad(value, leaf)
    values, slope = learner._evaluated(samples, direction)
    # The objective leaves log 2 out, a constant.
    assert values.item() == pytest.approx(value.item() + 0.1 * math.log(2))
    assert abs(float(slope @ direction.T)) < 1e-12
    tangent = euclidean - (euclidean @ direction.T) * direction
    assert torch.allclose(slope, tangent, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_small_batch_is_exact(dtype):
    problem = make_problem(4, m=200, depth=2, dtype=dtype)
    attack = DictionaryLearning(learner=RiemannianL1(starts=8))
    found = attack(problem.observation)
    assert found.status is Status.EXACT
    assert torch.cdist(found.inputs, problem.truth.inputs.double()).amin(dim=1).max() < 1e-4


@per_learner
def test_what_it_does_not_find_is_partial_and_the_seed_decides(learner):
    problem = make_problem(12, m=30, n=40)
    attack = DictionaryLearning(learner=learner, restarts=1)
    first, again = (attack(problem.observation, seed=3) for _ in range(2))
    assert first.status is Status.PARTIAL
    assert torch.equal(first.inputs, again.inputs)
    assert first.details == {"runs": 1.0}


def test_the_time_limit_ends_it_after_a_run():
    problem = make_problem(12, m=30, n=40)
    found = DictionaryLearning(time_limit=1e-9)(problem.observation)
    assert (found.status, found.details["runs"]) == (Status.TIMED_OUT, 1.0)


def test_settings_out_of_range_are_refused():
    for make, message in (
        (lambda: DictionaryLearning(restarts=0), "^restarts is 0; expected at least 1"),
        (lambda: L4Maximisation(iterations=0), "^iterations is 0; expected at least 1"),
        (lambda: RiemannianL1(starts=0), "^starts is 0; expected more than 0"),
        (lambda: RiemannianL1(smoothing=-1), "^smoothing is -1; expected more than 0"),
        (lambda: DictionaryLearning(time_limit=0), "^time_limit is 0; expected a number of sec"),
    ):
        with pytest.raises(ConfigError, match=message):
            make()
