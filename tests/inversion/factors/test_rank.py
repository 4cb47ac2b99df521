"""The batch size is the rank of the gradient, for every network, batch and precision."""

import pytest
import torch
from support.problems import (
    WeightedLoss,
    factorized,
    make_problem,
    picture_problem,
    to_dtype,
)
from support.recovery import ERROR_AT_MOST, attack, errors, per_dtype

from spear.data.embedded import Digits, Faces
from spear.inversion.factors.rank import estimate_rank, rounding_floor
from spear.reconstruction import Status


class TestRank:
    @pytest.mark.parametrize("b", [1, 2, 8, 20])
    @per_dtype
    def test_rank_is_the_batch_size(self, dtype, b):
        for seed in range(5):
            observation = make_problem(b, dtype=dtype, seed=seed).observation
            assert factorized(observation).b == b

    @pytest.mark.parametrize("b", [1, 2, 8, 20])
    def test_float32_in_float64(self, b):
        """Casting hides the precision of the client, not the gap it leaves in the spectrum."""
        observation = make_problem(b, dtype=torch.float32).observation
        assert factorized(to_dtype(observation, torch.float64)).b == b

    @pytest.mark.parametrize("normalize", [True, False])
    @pytest.mark.parametrize("dataset", [Digits, Faces])
    @per_dtype
    def test_pictures(self, dtype, dataset, normalize):
        for seed in range(5):
            problem = picture_problem(dataset(normalize=normalize), 16, dtype, seed)
            assert factorized(problem.observation).b == 16

    @pytest.mark.parametrize(
        ("dtype", "weight"),
        [(torch.float32, 1e-3), (torch.float64, 1e-3), (torch.float64, 1e-8)],
    )
    def test_one_sample_with_nearly_no_loss(self, dtype, weight):
        """It leaves a gap inside the signal, and the last gap counts; it is found all the same."""
        problem = make_problem(4, dtype=dtype, loss=WeightedLoss(1, 1, weight, 1))
        found = factorized(problem.observation)
        assert found.b == 4
        assert found.singular_values[3] < 10 * weight * found.singular_values[2]
        reconstruction = attack()(problem.observation)
        assert reconstruction.status is Status.EXACT
        error = errors(reconstruction, problem.truth.inputs)
        assert error[[0, 1, 3]].max() < ERROR_AT_MOST[dtype]
        assert error[2] < ERROR_AT_MOST[dtype] / weight

    @pytest.mark.parametrize(
        ("values", "floor", "rank"),
        [
            ([], 0.0, 0),
            ([0.0, 0.0], 1e-3, 0),
            ([5.0, 4.0, 1e-5], 1e-6, 2),
            ([5.0, 4.0, 3.0], 1e-6, None),
            ([5.0, 0.1, 0.09, 1e-7], 1e-8, 3),
            ([5.0, 4.0, 1e-9, 1e-15], 1e-8, 2),
            ([5.0, 4.0, 0.0], 1e-8, 2),
            ([1e-9, 1e-9], 1e-8, None),
        ],
    )
    def test_the_last_gap_above_the_floor(self, values, floor, rank):
        spectrum = torch.tensor(values, dtype=torch.float64)
        assert estimate_rank(spectrum, floor) == rank

    @pytest.mark.parametrize(("m", "n"), [(50, 60), (200, 30), (30, 500)])
    def test_rounding_floor_is_the_size_of_rounding(self, m, n):
        exact = make_problem(4, m, n).observation.weight_gradient
        rounded = exact.float()
        largest = float(torch.linalg.matrix_norm(rounded.double() - exact, 2))
        assert largest / 2 < rounding_floor(rounded) < largest * 4
