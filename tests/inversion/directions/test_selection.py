"""GreedyFilter selects the true directions."""

import pytest
import torch
from support.problems import (
    make_problem,
    sine_distance,
    unit_columns,
)
from support.recovery import generator, nested_mixture, nested_problem, true_directions

from spear.inversion.directions.scale import fix_scale
from spear.inversion.directions.selection import greedy_filter
from spear.inversion.directions.sparsity_matching import sparsity_matching
from spear.inversion.directions.zeros import zero_pattern


class TestGreedyFilter:
    def test_it_picks_the_true_basis_out_of_a_pool(self):
        problem, true = true_directions(make_problem(5, m=80))
        weights = torch.randn(30, 5, generator=generator(), dtype=torch.float64)
        pairs = [unit_columns(true[:, [i]] + true[:, [j]]) for i in range(5) for j in range(i)]
        pool = torch.cat([unit_columns(true @ weights.T), *pairs, true], dim=1)
        shuffled = pool[:, torch.randperm(pool.shape[1], generator=generator())]
        for swaps in (True, False):
            selection = greedy_filter(problem, shuffled, swaps)
            assert selection.sparsity_matching == 1.0
            assert selection.n_found == 5
            assert sine_distance(selection.directions, true).amin(dim=0).max() < 1e-12

    def test_swaps_put_right_what_sparsity_gets_wrong(self):
        """Wrong candidates that are sparser than the true ones they displace (Fig. 6)."""
        problem, true = true_directions(nested_problem())
        wrong = torch.stack(
            [nested_mixture(problem, true, 0, 2), nested_mixture(problem, true, 1, 3)], dim=1
        )
        sparsity = zero_pattern(problem, torch.cat([true, wrong], dim=1)).sum(dim=0)
        assert sparsity[4] == sparsity[2] + 1
        assert sparsity[5] == sparsity[3] + 1
        candidates = torch.cat([wrong, true], dim=1)
        first_stage = greedy_filter(problem, candidates, swaps=False)
        assert first_stage.n_found == 4
        assert sine_distance(first_stage.directions, wrong).amin(dim=0).max() < 1e-12
        assert first_stage.sparsity_matching < 1.0
        both_stages = greedy_filter(problem, candidates)
        assert both_stages.sparsity_matching == 1.0
        assert sine_distance(both_stages.directions, true).amin(dim=0).max() < 1e-12

    def test_a_swap_never_lowers_lambda(self):
        """Pools without the truth: the second stage makes the best of them."""
        raised = 0
        for seed in range(20):
            problem, true = true_directions(make_problem(4, seed=seed))
            weights = torch.randn(12, 4, generator=generator(seed), dtype=torch.float64)
            candidates = unit_columns(true @ weights.T)
            before = greedy_filter(problem, candidates, swaps=False).sparsity_matching
            after = greedy_filter(problem, candidates).sparsity_matching
            assert after >= before
            raised += after > before
        assert raised > 10

    def test_swaps_that_do_not_keep_their_promise_are_undone(self, monkeypatch):
        """Rounding can make a rank-one update too good; swaps would then go round for ever."""
        problem, true = true_directions(make_problem(4))
        weights = torch.randn(12, 4, generator=generator(), dtype=torch.float64)
        candidates = unit_columns(true @ weights.T)
        monkeypatch.setattr(
            "spear.inversion.directions.selection._Exchange._agreement_after_swap",
            lambda self, i, indices: torch.full(indices.shape, problem.m * problem.b),
        )
        selection = greedy_filter(problem, candidates)
        first_stage = greedy_filter(problem, candidates, swaps=False)
        assert selection.sparsity_matching >= first_stage.sparsity_matching

    def test_lambda_is_that_of_the_definition(self):
        """The rank-one updates agree with ComputeLambda (Algorithm 2) on the result."""
        for seed in range(10):
            problem, true = true_directions(make_problem(4, seed=seed))
            weights = torch.randn(12, 4, generator=generator(seed), dtype=torch.float64)
            selection = greedy_filter(problem, unit_columns(true @ weights.T))
            scaled = fix_scale(problem, selection.directions)
            assert selection.sparsity_matching == sparsity_matching(problem, scaled)

    def test_signs_and_order_do_not_matter(self):
        problem, true = true_directions(nested_problem())
        pool = torch.cat([nested_mixture(problem, true, 0, 2)[:, None], true], dim=1)
        signs = torch.tensor([-1.0, 1.0, -1.0, -1.0, 1.0], dtype=torch.float64)
        selection = greedy_filter(problem, (pool * signs)[:, [3, 0, 4, 2, 1]])
        assert selection.sparsity_matching == 1.0
        assert sine_distance(selection.directions, true).amin(dim=0).max() < 1e-12

    @pytest.mark.parametrize("found", [0, 1, 3])
    def test_too_few_candidates_are_filled_up(self, found):
        problem, true = true_directions(make_problem(4))
        selection = greedy_filter(problem, true[:, :found])
        assert selection.n_found == found
        assert selection.sparsity_matching < 1.0
        assert torch.linalg.cond(selection.directions) < 1e3
        assert torch.equal(
            selection.directions[:, :found].T.sort(dim=0).values,
            true[:, :found].T.sort(dim=0).values,
        )

    def test_scale_does_not_matter(self):
        problem, true = true_directions(make_problem(4))
        lengths = torch.tensor([-3.0, 0.1, 1.0, 20.0], dtype=torch.float64)
        assert torch.allclose(fix_scale(problem, true * lengths), fix_scale(problem, true))
