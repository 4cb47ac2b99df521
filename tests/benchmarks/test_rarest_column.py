"""Submatrices per hit of the rarest column, by hand and by enumeration."""

import itertools
import math
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.rarest_column import hit_rates, main, met_within, submatrices_per_hit


def test_it_is_the_share_of_submatrices_within_the_zeros_of_the_column():
    gradients = torch.ones(8, 3)
    gradients[:4, 0] = gradients[2:7, 1] = gradients[4:8, 2] = 0
    subsets = list(itertools.combinations(range(8), 2))
    hits = sum(bool((gradients[list(rows), 2] == 0).all()) for rows in subsets)
    assert submatrices_per_hit(gradients) == pytest.approx(len(subsets) / hits)


@pytest.mark.parametrize("rows", [2, 3, 4])
def test_it_is_so_for_any_number_of_rows(rows):
    gradients = torch.ones(8, 3)
    gradients[:4, 0] = gradients[2:7, 1] = gradients[4:8, 2] = 0
    subsets = list(itertools.combinations(range(8), rows))
    hits = [sum(bool((gradients[list(each), j] == 0).all()) for each in subsets) for j in range(3)]
    expected = [each / len(subsets) for each in hits]
    assert hit_rates(gradients, rows) == pytest.approx(expected)


def test_the_chance_to_meet_all_columns_is_that_of_a_simulation():
    rates, n = np.array([0.01, 0.02, 0.003]), 300
    drawn = np.random.default_rng(0).poisson(n * rates, (20_000, 3))
    assert met_within(rates, n, 1.0) == pytest.approx((drawn > 0).all(axis=1).mean(), abs=0.01)
    assert met_within(rates, 2 * n, 2.0) == met_within(rates, n, 1.0)
    assert met_within(np.array([0.1, 0.0]), 1e9, 1.0) == 0.0


def test_rows_that_no_sample_activates_do_not_count():
    gradients = torch.ones(6, 2)
    gradients[0, 0] = gradients[1:3, 1] = 0
    wider = torch.cat([gradients, torch.zeros(4, 2)])
    assert submatrices_per_hit(wider) == submatrices_per_hit(gradients) == pytest.approx(6.0)


def test_too_few_zeros_are_never_hit():
    gradients = torch.ones(6, 3)
    gradients[0, 0] = 0
    assert submatrices_per_hit(gradients) == math.inf


PAGE = (Path(__file__).parents[2] / "docs" / "theory" / "sampling.md").read_text()
ROWS = dict(re.findall(r"^\| [^|]* \| `([^`|]*)` \| (\d+ %) \|", PAGE, re.MULTILINE))
"""Options -> chance, as the page has them."""


def test_the_page_has_its_rows():
    assert len(ROWS) == 7


@pytest.mark.slow
@pytest.mark.parametrize("options", [each for each in ROWS if "--epochs" not in each])
def test_chances_on_the_page_are_those_of_the_batches(options, data_root, capsys):
    main([*shlex.split(options), "--data-root", str(data_root)])
    assert f"| {ROWS[options]} |" in capsys.readouterr().out
