"""Submatrices per hit of the rarest column, by hand and by enumeration."""

import itertools
import math

import pytest
import torch

from benchmarks.rarest_column import submatrices_per_hit


def test_it_is_the_share_of_submatrices_within_the_zeros_of_the_column():
    gradients = torch.ones(8, 3)
    gradients[:4, 0] = gradients[2:7, 1] = gradients[4:8, 2] = 0
    subsets = list(itertools.combinations(range(8), 2))
    hits = sum(bool((gradients[list(rows), 2] == 0).all()) for rows in subsets)
    assert submatrices_per_hit(gradients) == pytest.approx(len(subsets) / hits)


def test_rows_that_no_sample_activates_do_not_count():
    gradients = torch.ones(6, 2)
    gradients[0, 0] = gradients[1:3, 1] = 0
    wider = torch.cat([gradients, torch.zeros(4, 2)])
    assert submatrices_per_hit(wider) == submatrices_per_hit(gradients) == pytest.approx(6.0)


def test_too_few_zeros_are_never_hit():
    gradients = torch.ones(6, 3)
    gradients[0, 0] = 0
    assert submatrices_per_hit(gradients) == math.inf
