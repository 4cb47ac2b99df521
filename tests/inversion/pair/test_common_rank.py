"""The number of samples from both spectra, where neither alone has a large gap."""

import math
from dataclasses import replace

import pytest
import torch
from support.pairs import pair_case

from spear.inversion.factors.rank import estimate_rank, rounding_floor
from spear.inversion.pair.common_rank import common_rank
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.reconstruction import Status

B = 12


def with_spectrum(like, values, generator):
    """A matrix of these singular values, like a gradient in float32."""
    m, n = like.shape
    left = torch.linalg.qr(torch.randn(m, len(values), generator=generator).double()).Q
    right = torch.linalg.qr(torch.randn(n, len(values), generator=generator).double()).Q
    return (left * torch.tensor(values).double() @ right.T).float()


def pair_of(first, following):
    """A layer pair whose gradients have these ratios of the weakest value to the one behind."""
    case = pair_case("gelu", b=B, m=60, n=40, classes=10, depth=3, dtype=torch.float32, seed=0)
    generator = torch.Generator().manual_seed(0)
    own, pair = case.pair.first, case.pair
    dust = 3e-8
    spectra = [
        [*torch.logspace(0, math.log10(dust * gap), B).tolist(), *[dust] * 20]
        for gap in (first, following)
    ]
    observation = replace(
        own, weight_gradient=with_spectrum(own.weight_gradient, spectra[0], generator)
    )
    following_gradient = with_spectrum(pair.next_weight_gradient, spectra[1], generator)
    return replace(pair, first=observation, next_weight_gradient=following_gradient)


def alone(gradient):
    values = torch.linalg.svdvals(gradient.double())
    return estimate_rank(values, rounding_floor(gradient))


def test_a_small_gap_counts_if_both_gradients_have_it():
    pair = pair_of(18.0, 22.0)
    assert alone(pair.first.weight_gradient) is None
    assert common_rank(pair) == B
    found = pair_problem(pair)
    assert isinstance(found, PairProblem)
    assert found.b == B


@pytest.mark.parametrize(("first", "following"), [(18.0, 4.0), (4.0, 500.0), (1.0, 1.0)])
def test_one_gradient_alone_is_not_enough(first, following):
    pair = pair_of(first, following)
    assert common_rank(pair) is None
    assert pair_problem(pair) is Status.FULL_RANK


def test_errors_larger_than_rounding_are_no_end():
    case = pair_case("gelu", b=B, m=60, n=40, classes=10, depth=3, dtype=torch.float32, seed=0)
    generator = torch.Generator().manual_seed(1)
    spectrum = [*torch.linspace(1.0, 0.5, B).tolist(), *[0.5 / 15] * (40 - B)]
    first = case.pair.first
    pair = replace(
        case.pair,
        first=replace(
            first, weight_gradient=with_spectrum(first.weight_gradient, spectrum, generator)
        ),
        next_weight_gradient=with_spectrum(case.pair.next_weight_gradient, spectrum, generator),
    )
    assert common_rank(pair) is None
