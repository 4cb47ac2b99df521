"""Directions become exact, and those that their zeros do not determine go."""

import dataclasses
import itertools
import math

import pytest
import torch
from support.problems import (
    Problem,
    make_problem,
    picture_problem,
    sine_distance,
    unit_columns,
)
from support.recovery import (
    ERROR_AT_MOST,
    generator,
    per_dtype,
    true_directions,
)
from torch import Tensor

from spear.data.base import Dataset
from spear.data.embedded import Digits
from spear.inversion.directions.determined import is_determined
from spear.inversion.directions.exact import refine
from spear.inversion.directions.scale import fix_scale
from spear.inversion.directions.zeros import zero_pattern
from spear.inversion.factors.factorization import Factorization
from spear.inversion.sampling.samplers import (
    SvdSampler,
)
from spear.scoring import psnr


class TestRefinement:
    def test_it_is_worth_tens_of_decibels_in_float32(self):
        dataset = Digits()
        problem = picture_problem(dataset, 8, torch.float32)
        found, true = true_directions(problem)
        drawn = SvdSampler().draw(found.left.float(), 20_000, generator()).double()
        distance = sine_distance(drawn.T, true)
        assert (distance.amin(dim=0) < 1e-3).all(), "each direction was met"
        raw = drawn[torch.stack([(column < 1e-3).nonzero()[0, 0] for column in distance.T])].T
        before = picture_psnr(dataset, problem, found, raw)
        after = picture_psnr(dataset, problem, found, refine(found, raw))
        assert after > 150
        assert after > before + 30

    @pytest.mark.parametrize("normalize", [True, False])
    @per_dtype
    @pytest.mark.few(1)
    def test_true_directions_stay(self, dtype, normalize):
        """Whatever entries are small by chance: 480 directions found with errors of 1e-6."""
        for seed in range(60):
            problem = picture_problem(Digits(normalize=normalize), 8, dtype, seed)
            found, true = true_directions(problem)
            noise = torch.randn(true.shape, generator=generator(seed), dtype=torch.float64)
            refined = refine(found, unit_columns(true + 1e-6 * noise))
            zeros = zero_pattern(found, refined)
            truly = (problem.truth.activation_gradients == 0)[found.active]
            # A handful of 5e4 entries are below float32's noise.
            assert (zeros != truly).sum() <= (1 if dtype == torch.float32 else 0)
            assert sine_distance(refined, true).diagonal().max() < 100 * ERROR_AT_MOST[dtype]

    def test_a_small_entry_in_a_quiet_row(self):
        """A row of small gradients has little noise, but its small entry is no zero for that."""
        problem, true = true_directions(picture_problem(Digits(), 4, torch.float64))
        left, rows = problem.left.clone(), problem.noise.rows.clone()
        row = int((left @ true[:, 0]).abs().argmax())
        left[row] *= 5e-4 / float((left[row] @ true[:, 0]).abs())
        rows[row] *= 1e-6
        noise = dataclasses.replace(problem.noise, rows=rows)
        quiet = dataclasses.replace(problem, left=left, noise=noise)
        refined = refine(quiet, true[:, :1])
        assert sine_distance(refined, true[:, :1]) < 1e-12

    def test_determined_directions(self):
        problem, true = true_directions(make_problem(5, m=80))
        assert is_determined(problem, true, zero_pattern(problem, true)).all()

    @pytest.mark.parametrize("members", [2, 3])
    def test_mixtures_are_not_determined(self, members):
        """q_1 + a q_2 (+ c q_3) with one zero (two zeros) more than they have in common."""
        problem, true = true_directions(make_problem(5, m=80))
        values = problem.left @ true
        checked = 0
        for chosen in itertools.combinations(range(5), members):
            part = values[:, list(chosen)]
            rows = torch.nonzero((part != 0).all(dim=1) & (part.abs() > 0.05).all(dim=1)).flatten()
            rows = rows[: members - 1]
            kernel = torch.linalg.svd(part[rows], full_matrices=True).Vh[-1]
            mixture = unit_columns((true[:, list(chosen)] @ kernel)[:, None])
            zeros = zero_pattern(problem, mixture)
            common = zero_pattern(problem, true[:, list(chosen)]).all(dim=1)
            assert int(zeros.sum()) == int(common.sum()) + members - 1
            assert not is_determined(problem, mixture, zeros).any()
            checked += 1
        assert checked == math.comb(5, members)


def picture_psnr(
    dataset: Dataset, problem: Problem, found: Factorization, directions: Tensor
) -> float:
    """Mean PSNR of X^T = Q^-1 R for directions in the true order."""
    inputs = torch.linalg.solve(fix_scale(found, directions), found.right)
    true = dataset.denormalized(problem.truth.inputs.double())
    return float(psnr(dataset.denormalized(inputs), true).mean())
