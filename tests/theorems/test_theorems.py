"""The theorems of Sec. 3 on gradients from autograd, the lemmas of Sec. 5.2 by simulation."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import beta, norm
from support.problems import (
    Problem,
    factorized,
    make_problem,
    sine_distance,
    true_disaggregation,
    unit_columns,
)
from torch import Tensor

from spear.inversion.directions.scale import fix_scale
from spear.inversion.directions.sparsity_matching import pre_activations, sparsity_matching
from spear.inversion.directions.zeros import required_zeros, sparsity_threshold
from spear.inversion.factors.factorization import Factorization
from spear.inversion.sampling import lemmas as theory

DTYPES = [torch.float64, torch.float32]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
"""Relative errors of quantities that are computed by well-conditioned steps."""
CONDITION = 1e3
"""Problems in which dL/dZ or X are worse conditioned are set aside: errors grow with it."""


@st.composite
def problems(draw: st.DrawFn, dtype: torch.dtype) -> Problem:
    """Gradients that satisfy Theorem 3.2's condition: dL/dZ and X of full rank b < n, m.

    Neurons that no sample activates do not count towards m, and n is well above b: the noise of a
    row is measured on n - b degrees of freedom.
    """
    b = draw(st.integers(1, 6))
    m, n = draw(st.integers(6 * b, 60)), draw(st.integers(b + 20, 80))
    depth = draw(st.integers(2, 4))
    problem = make_problem(b, m, n, dtype, seed=draw(st.integers(0, 2**31)), depth=depth)
    for factor in (problem.truth.activation_gradients, problem.truth.inputs):
        assume(bool(torch.linalg.cond(factor.double()) < CONDITION))
    assume(int(problem.truth.activation_gradients.any(dim=1).sum()) > b)
    return problem


per_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float64", "float32"])
some_examples = settings(max_examples=25)


def relative_error(found: Tensor, true: Tensor) -> float:
    return float((found.double() - true.double()).norm() / true.double().norm())


@dataclass(frozen=True)
class Decomposition:
    """dL/dW = L R on some rows of dL/dZ."""

    left: Tensor
    right: Tensor
    rows: Tensor


def whitened(problem: Problem) -> Decomposition:
    """Ours: L = sqrt(m) U, on the rows of active neurons."""
    found = factorized(problem.observation)
    return Decomposition(found.left, found.right, found.active)


def papers(problem: Problem) -> Decomposition:
    """The paper's: L = U S^(1/2), R = S^(1/2) V (Sec. 3.1)."""
    gradient = problem.observation.weight_gradient.double()
    U, S, V = torch.linalg.svd(gradient, full_matrices=False)
    b = problem.b
    root = S[:b].sqrt()
    return Decomposition(U[:, :b] * root, root[:, None] * V[:b], gradient.new_ones(len(U)).bool())


per_decomposition = pytest.mark.parametrize("decompose", [whitened, papers])
Decompose = Callable[[Problem], Decomposition]


class TestTheorem31:
    @per_dtype
    @some_examples
    @given(st.data())
    def test_the_weight_gradient_is_a_product(self, dtype, data):
        problem = data.draw(problems(dtype))
        truth = problem.truth
        product = truth.activation_gradients.double() @ truth.inputs.double()
        error = relative_error(problem.observation.weight_gradient, product)
        assert error < TOLERANCE[dtype]

    @per_dtype
    @some_examples
    @given(st.data())
    def test_its_rank_is_the_batch_size(self, dtype, data):
        problem = data.draw(problems(dtype))
        values = torch.linalg.svdvals(problem.observation.weight_gradient.double())
        assert (values[problem.b :] < TOLERANCE[dtype] * values[0]).all()
        assert values[problem.b - 1] > 10 * TOLERANCE[dtype] * values[0]
        assert factorized(problem.observation).b == problem.b


class TestTheorem32:
    @per_dtype
    @per_decomposition
    @some_examples
    @given(st.data())
    def test_one_matrix_disaggregates_both_factors(self, decompose, dtype, data):
        problem = data.draw(problems(dtype))
        found = decompose(problem)
        gradients = problem.truth.activation_gradients.double()[found.rows]
        inputs = problem.truth.inputs.double()
        # Lemma B.1: Q = R B^-R; uniqueness: Q = L^-L A.
        from_inputs = found.right @ torch.linalg.pinv(inputs)
        from_gradients = torch.linalg.pinv(found.left) @ gradients
        tolerance = 1e3 * TOLERANCE[dtype]
        assert relative_error(from_inputs, from_gradients) < tolerance
        assert relative_error(found.left @ from_inputs, gradients) < tolerance
        reconstructed = torch.linalg.solve(from_gradients, found.right)
        assert relative_error(reconstructed, inputs) < tolerance

    @some_examples
    @given(st.data())
    def test_our_left_factor_is_white(self, data):
        found = factorized(data.draw(problems(torch.float64)).observation)
        identity = torch.eye(found.b, dtype=torch.float64)
        gram = found.left.T @ found.left / found.left.shape[0]
        assert torch.allclose(gram, identity, atol=1e-12)


class TestTheorem33:
    @per_dtype
    @per_decomposition
    @some_examples
    @given(st.data())
    def test_rows_with_one_zero_column_have_its_direction_as_kernel(self, decompose, dtype, data):
        problem = data.draw(problems(dtype).filter(lambda each: each.b > 1))
        found = decompose(problem)
        gradients = problem.truth.activation_gradients.double()[found.rows]
        directions = unit_columns(torch.linalg.pinv(found.left) @ gradients)
        generator = torch.Generator().manual_seed(data.draw(st.integers(0, 1000)))
        checked = 0
        for i in range(problem.b):
            rows = torch.nonzero(gradients[:, i] == 0).flatten()
            chosen = rows[torch.randperm(len(rows), generator=generator)][: problem.b - 1]
            # The condition "A has full rank", with a margin that the tolerance allows for.
            values = torch.linalg.svdvals(gradients[chosen])
            submatrix = found.left[chosen]
            margin = torch.linalg.svdvals(submatrix)
            if len(chosen) < problem.b - 1 or values[-1] * CONDITION < values[0]:
                continue
            assume(bool(margin[-1] * CONDITION > torch.linalg.matrix_norm(found.left, 2)))
            kernel = torch.linalg.svd(submatrix, full_matrices=True).Vh[-1]
            error = sine_distance(kernel[:, None], directions[:, i : i + 1])
            assert float(error) < 1e4 * TOLERANCE[dtype]
            checked += 1
        assume(checked > 0)


class TestTheorem34:
    @per_dtype
    @some_examples
    @given(st.data())
    def test_the_bias_gradient_is_the_row_sum(self, dtype, data):
        problem = data.draw(problems(dtype))
        gradients = problem.truth.activation_gradients.double()
        error = (problem.observation.bias_gradient.double() - gradients.sum(dim=1)).norm()
        assert error < TOLERANCE[dtype] * gradients.norm()


class TestTheorem35:
    @per_dtype
    @some_examples
    @given(st.data())
    def test_the_bias_gradient_gives_the_scales(self, dtype, data):
        problem = data.draw(problems(dtype))
        found = factorized(problem.observation)
        true = true_disaggregation(found, problem.truth)
        scales = st.floats(0.01, 100) | st.floats(-100, -0.01)
        lengths = data.draw(st.lists(scales, min_size=problem.b, max_size=problem.b))
        unscaled = true * true.new_tensor(lengths)
        assert relative_error(fix_scale(found, unscaled), true) < 1e3 * TOLERANCE[dtype]

    @per_decomposition
    @some_examples
    @given(st.data())
    def test_with_any_left_inverse(self, decompose, data):
        problem = data.draw(problems(torch.float64))
        found = decompose(problem)
        true = torch.linalg.pinv(found.left) @ problem.truth.activation_gradients[found.rows]
        pseudo_inverse = torch.linalg.pinv(found.left)
        generator = torch.Generator().manual_seed(data.draw(st.integers(0, 1000)))
        anything = torch.randn(pseudo_inverse.shape, generator=generator, dtype=torch.float64)
        anything *= pseudo_inverse.norm() / anything.norm()
        left_inverse = pseudo_inverse + anything - anything @ found.left @ pseudo_inverse
        bias_gradient = problem.observation.bias_gradient[found.rows]
        scales = torch.linalg.solve(unit_columns(true), left_inverse @ bias_gradient)
        expected = torch.linalg.vector_norm(true, dim=0)
        assert relative_error(scales, expected) < 1e3 * TOLERANCE[torch.float64]


def definition_41(problem: Problem, found: Factorization, disaggregation: Tensor) -> float:
    """lambda counted on Z and dL/dZ in full, with a fixed small tolerance for zero."""
    gradients = found.left.new_zeros(found.m, found.b)
    gradients[found.active] = found.left @ disaggregation
    zero = gradients.abs() < 1e-9 * torch.linalg.vector_norm(gradients, dim=0)
    inputs = torch.linalg.solve(disaggregation, found.right)
    observation = problem.observation
    z = observation.weight.double() @ inputs.T + observation.bias.double()[:, None]
    negative = ((z <= 0) & zero).sum()
    positive = ((z > 0) & ~zero).sum()
    return float(negative + positive) / (found.m * found.b)


class TestDefinition41:
    @per_dtype
    @some_examples
    @given(st.data())
    def test_lambda_is_one_for_the_truth(self, dtype, data):
        problem = data.draw(problems(dtype))
        found = factorized(problem.observation)
        assert sparsity_matching(found, true_disaggregation(found, problem.truth)) == 1.0

    @some_examples
    @given(st.data())
    def test_pre_activations_are_the_layers(self, data):
        problem = data.draw(problems(torch.float64))
        found = factorized(problem.observation)
        z = pre_activations(found, torch.linalg.inv(true_disaggregation(found, problem.truth)))
        layer = problem.network[1]
        assert relative_error(z, layer(problem.batch.inputs).detach().T) < 1e-9

    @some_examples
    @given(st.data())
    def test_lambda_counts_what_the_definition_says(self, data):
        problem = data.draw(problems(torch.float64).filter(lambda each: each.b > 1))
        found = factorized(problem.observation)
        wrong = true_disaggregation(found, problem.truth)
        wrong[:, 0] += data.draw(st.floats(0.1, 2)) * wrong[:, 1]
        wrong = fix_scale(found, unit_columns(wrong))
        assume(bool(torch.isfinite(wrong).all()) and bool(torch.linalg.cond(wrong) < CONDITION))
        matching = sparsity_matching(found, wrong)
        assert matching == pytest.approx(definition_41(problem, found, wrong), abs=1e-12)
        assert matching < 1.0


class TestSparsityThreshold:
    def test_papers_example(self):
        """Sec. 4.1: for m = 400 and p_fr < 1e-5, tau = 0.395."""
        assert sparsity_threshold(400, 1e-5) == 0.395
        assert theory.p_false_reject(0.395, 400) < 1e-5
        assert theory.p_false_reject(0.3975, 400) > 1e-5

    @given(st.integers(1, 300), st.floats(1e-12, 0.4))
    def test_tau_is_the_largest_that_rejects_rarely_enough(self, m, p_fr):
        zeros = required_zeros(m, p_fr)
        assert theory.p_false_reject(zeros / m, m) < p_fr
        assert theory.p_false_reject((zeros + 1) / m, m) >= p_fr * (1 - 1e-12)

    @given(st.integers(1, 300), st.data())
    def test_false_rejections_are_a_binomial_sum(self, m, data):
        zeros = data.draw(st.integers(0, m))
        exact = sum(math.comb(m, i) for i in range(zeros)) / 2**m
        assert theory.p_false_reject(zeros / m, m) == pytest.approx(exact, rel=1e-9)


CONFIDENCE = 1e-6
"""Chance that an interval misses its true value; seeds are fixed, so this is about choosing one."""


def clopper_pearson(hits: int, trials: int) -> tuple[float, float]:
    """Exact confidence interval of a binomial probability."""
    low = beta.ppf(CONFIDENCE / 2, hits, trials - hits + 1) if hits else 0.0
    high = beta.ppf(1 - CONFIDENCE / 2, hits + 1, trials - hits) if hits < trials else 1.0
    return float(low), float(high)


def random_gradients(*shape: int, generator: torch.Generator) -> Tensor:
    """Entries zeta |epsilon| of Lemma 5.1."""
    dense = torch.randn(shape, generator=generator, dtype=torch.float64).abs()
    return dense * (torch.rand(shape, generator=generator) < 0.5)


def direction_found(submatrices: Tensor) -> Tensor:
    """For each (b-1) x b matrix the index of its only zero column if it has full rank, else -1."""
    b = submatrices.shape[2]
    found = torch.full((len(submatrices),), -1)
    zero = (submatrices == 0).all(dim=1)
    possible = torch.nonzero(zero.sum(dim=1) == 1).flatten()
    columns = zero[possible].int().argmax(dim=1)
    full_rank = torch.linalg.matrix_rank(submatrices[possible]) == b - 1
    found[possible[full_rank]] = columns[full_rank]
    return found


def exact_q(b: int) -> float:
    """q by going through all zero patterns of the other b - 1 columns; a pattern is non-singular
    for almost all values of its entries if it is for random ones."""
    size = b - 1
    patterns = torch.tensor(list(itertools.product([0.0, 1.0], repeat=size * size)))
    values = 0.5 + torch.rand(patterns.shape, generator=torch.Generator().manual_seed(0))
    matrices = (patterns * values).reshape(-1, size, size).double()
    regular = (torch.linalg.det(matrices).abs() > 1e-9).double().mean()
    return b / 2 ** (b - 1) * float(regular)


class TestLemma51:
    @pytest.mark.parametrize("b", [2, 3, 4, 5])
    def test_q_lies_between_bound_and_approximation(self, b):
        assert theory.q_lower_bound(b) < exact_q(b) <= theory.q_approximation(b) * (1 + 1e-12)

    @pytest.mark.parametrize("b", [2, 3, 4, 5])
    def test_q_is_how_often_a_submatrix_gives_a_direction(self, b):
        trials = 100_000
        matrices = random_gradients(trials, b - 1, b, generator=torch.Generator().manual_seed(b))
        low, high = clopper_pearson(int((direction_found(matrices) >= 0).sum()), trials)
        assert low < exact_q(b) < high
        assert low > theory.q_lower_bound(b)

    def test_the_approximation_is_good_for_large_batches(self):
        """b = 16: 15 x 15 matrices are regular as often as assumed, to a tenth of a percent."""
        trials, b = 20_000, 16
        generator = torch.Generator().manual_seed(0)
        others = random_gradients(trials, b - 1, b - 1, generator=generator)
        regular = int((torch.linalg.matrix_rank(others) == b - 1).sum())
        low, high = clopper_pearson(regular, trials)
        zero_column = b / 2 ** (b - 1)
        assert high * zero_column > theory.q_approximation(b) * 0.999
        assert low * zero_column > theory.q_lower_bound(b)

    @pytest.mark.parametrize("b", range(2, 21))
    def test_both_are_the_lemma_s_formula(self, b):
        zero_column = b / 2 ** (b - 1)
        for q, base in ((theory.q_lower_bound(b), 0.939), (theory.q_approximation(b), 0.5)):
            assert q == pytest.approx(zero_column * (1 - base ** (b - 1)), rel=1e-12)

    @pytest.mark.parametrize("lemma", [theory.q_lower_bound, theory.q_approximation])
    def test_a_batch_of_one_has_no_submatrix(self, lemma):
        with pytest.raises(ValueError, match="at least 2"):
            lemma(1)


def submatrices_needed(b: int, trials: int, seed: int) -> np.ndarray:
    """For each trial, how many random submatrices it took to meet all b directions."""
    generator = torch.Generator().manual_seed(seed)
    needed, missing, drawn = [], set(range(b)), 0
    while True:
        matrices = random_gradients(20_000, b - 1, b, generator=generator)
        for column in direction_found(matrices).tolist():
            drawn += 1
            missing.discard(column)
            if not missing:
                needed.append(drawn)
                missing, drawn = set(range(b)), 0
                if len(needed) == trials:
                    return np.array(needed)


class TestLemma52:
    @pytest.mark.parametrize("b", [2, 4, 5])
    def test_expected_number_of_submatrices(self, b):
        needed = submatrices_needed(b, trials=5000, seed=b)
        half_width = norm.ppf(1 - CONFIDENCE / 2) * needed.std(ddof=1) / len(needed) ** 0.5
        assert abs(needed.mean() - theory.n_total_expected(b, exact_q(b))) < half_width
        assert needed.mean() + half_width < theory.n_total_expected(b)

    def test_papers_example(self):
        """Sec. 5.2: n*_total is about 1.8e5 for b = 16."""
        assert theory.n_total_expected(16) == pytest.approx(1.8e5, rel=0.01)

    @given(st.integers(2, 500), st.floats(1e-6, 1))
    def test_papers_closed_form(self, b, q):
        """b H_b = b log b + gamma b + 1/2 - O(1 / b)."""
        closed = b * math.log(b) + np.euler_gamma * b + 0.5
        assert 0 < closed - q * theory.n_total_expected(b, q) < 1 / (12 * b) + 1e-9


class TestRepetition:
    """Submatrices that share rows repeat their hits (docs/theory/sampling.md)."""

    @given(st.integers(1, 12))
    def test_it_is_the_mean_of_hits_over_all_patterns(self, n):
        """A submatrix without row k hits if all the other n - 1 entries of a column are zero."""
        patterns = np.array(list(itertools.product([False, True], repeat=n)))
        hits = np.array([(~np.delete(patterns, k, axis=1)).all(axis=1) for k in range(n)]).sum(0)
        assert theory.repetition(n) == pytest.approx(hits.sum() / np.count_nonzero(hits))

    def test_independent_submatrices_repeat_nothing(self):
        assert theory.repetition(1) == 1
        assert theory.n_total_expected(9, per_draw=9) == 1.8 * theory.n_total_expected(9)

    @pytest.mark.parametrize("b", [2, 3, 4])
    def test_no_column_of_zeros(self, b):
        """Sec. 4.1, by all patterns of (b - 1) x b entries."""
        entries = np.array(list(itertools.product([0, 1], repeat=(b - 1) * b)))
        columns = entries.reshape(-1, b - 1, b).any(axis=1)
        assert theory.no_zero_column(b) == pytest.approx(columns.all(axis=1).mean())


class TestLemmaB2:
    def test_papers_example(self):
        """App. B: n is about 4e4 for b = 10 and p = 1e-8."""
        assert float(f"{theory.n_total_bound(10, 1e-8):.0e}") == 4e4

    @given(st.integers(2, 30), st.floats(1e-8, 0.5), st.floats(0, 1e-10))
    def test_it_solves_the_quadratic_equation(self, b, p, p_fr):
        q = theory.q_approximation(b)
        n = theory.n_total_bound(b, p, p_fr, q)
        remaining = p - 1 + (1 - p_fr) ** b
        needed = b * math.log(2 * b / remaining)
        phi = norm.cdf((needed - n * q) / math.sqrt(n * q * (1 - q)))
        assert phi == pytest.approx(remaining / 2, rel=1e-5)

    def test_it_is_enough(self):
        b, p = 4, 0.2
        needed = submatrices_needed(b, trials=3000, seed=0)
        missed = int((needed > theory.n_total_bound(b, p, q=exact_q(b))).sum())
        assert missed > 0
        assert clopper_pearson(missed, len(needed))[1] < p

    def test_no_number_makes_up_for_false_rejections(self):
        assert theory.n_total_bound(20, 1e-5, p_fr=1e-5) == math.inf


def lemma_53(b: int, m: int, base: float) -> float:
    """One minus the sum of Lemma 5.3, as written."""
    return 1 - sum(
        math.comb(m, k) / 2**m * (1 - base ** ((b - 1) * math.comb(k, b - 1)))
        for k in range(b - 1, m + 1)
    )


def failure_rate(b: int, m: int, trials: int = 40_000) -> tuple[float, float]:
    """How often some direction has no submatrix of full rank, as a confidence interval."""
    gradients = random_gradients(trials, m, b, generator=torch.Generator().manual_seed(b))
    failed = torch.zeros(trials, dtype=torch.bool)
    for i in range(b):
        # One (b-1)-row submatrix of these rows has full rank just if all of them together have.
        rows = gradients * (gradients[:, :, i : i + 1] == 0)
        failed |= torch.linalg.matrix_rank(rows) < b - 1
    return clopper_pearson(int(failed.sum()), trials)


class TestLemma53:
    @given(st.integers(2, 6), st.integers(1, 20), st.floats(0, 1e-3))
    def test_closed_forms(self, b, m, p_fr):
        rejected = 1 - (1 - p_fr) ** b
        bound = b * lemma_53(b, m, 0.939) + rejected
        approximation = 1 - (1 - lemma_53(b, m, 0.5)) ** b + rejected
        assert theory.p_fail_bound(b, m, p_fr) == pytest.approx(min(bound, 1), abs=1e-12)
        found = theory.p_fail_approximation(b, m, p_fr)
        assert found == pytest.approx(min(approximation, 1), abs=1e-12)

    @pytest.mark.parametrize(("b", "m"), [(3, 8), (4, 12), (5, 12), (6, 14)])
    @pytest.mark.few(1)
    def test_failure_rate_lies_between_approximation_and_bound(self, b, m):
        """As Fig. 8 shows for narrow layers."""
        low, high = failure_rate(b, m)
        assert high < theory.p_fail_bound(b, m)
        assert low > theory.p_fail_approximation(b, m)

    @pytest.mark.parametrize(("b", "m"), [(4, 20), (5, 20), (5, 25)])
    @pytest.mark.few(1)
    def test_the_bound_takes_submatrices_for_independent(self, b, m):
        """In wider layers it is exceeded: a column is zero wherever another is, and none helps."""
        low, high = failure_rate(b, m)
        assert low > theory.p_fail_bound(b, m)
        assert (low + high) / 2 == pytest.approx(b * (b - 1) * 0.75**m, rel=0.4)

    @pytest.mark.parametrize("lemma", [theory.p_fail_bound, theory.p_fail_approximation])
    def test_nothing_overflows(self, lemma):
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            wide = lemma(100, 2000, 1e-9)
            assert lemma(100, 50) == pytest.approx(1.0, abs=1e-12)
            assert lemma(100, 150) > 0.99
        assert wide == pytest.approx(-math.expm1(100 * math.log1p(-1e-9)), rel=1e-9)

    @pytest.mark.parametrize("lemma", [theory.p_fail_bound, theory.p_fail_approximation])
    def test_wider_networks_fail_less(self, lemma):
        rates = [lemma(10, m) for m in (20, 30, 40, 60, 80)]
        assert rates == sorted(rates, reverse=True)
        assert rates[-1] < 1e-6
