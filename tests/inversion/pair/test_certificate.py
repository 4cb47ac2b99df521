"""The certificate by one solve: true patterns pass, mixtures do not."""

import pytest
import torch
from support.pairs import PIECEWISE, PairCase, pair_case, relative
from torch import Tensor

from spear.inversion.pair import certificate

per_activation = pytest.mark.parametrize("name", PIECEWISE)
per_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)


def certified_rows(case: PairCase, slopes: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return certificate.certified_rows(case.problem, slopes, offsets, generator)


def of_pattern(case: PairCase, z: Tensor) -> tuple[Tensor, Tensor]:
    pieces = case.problem.activation.pieces
    assert pieces is not None
    return pieces.slope(z), pieces.offset(z)


@per_activation
@per_dtype
def test_true_patterns_give_the_true_rows(name: str, dtype: torch.dtype) -> None:
    case = pair_case(name, b=5, dtype=dtype)
    rows, right = certified_rows(case, *of_pattern(case, case.z))
    assert sorted(right.tolist()) == list(range(5))
    assert relative(rows, case.rows[right]) < (1e-8 if dtype == torch.float64 else 1e-4)


@per_activation
def test_a_pattern_of_a_mixture_is_rejected_or_corrected(name: str) -> None:
    """Each neuron has the state of one of two true samples, as in a mixture of their directions."""
    case = pair_case(name, b=5, scale=2.0)
    generator = torch.Generator().manual_seed(0)
    slopes, offsets = of_pattern(case, case.z)
    mixed = []
    for i in range(5):
        for j in range(i):
            first = torch.rand(case.pair.m, generator=generator) < 0.5
            mixed.append([torch.where(first, each[i], each[j]) for each in (slopes, offsets)])
            union = slopes[i].abs() >= slopes[j].abs()
            mixed.append([torch.where(union, each[i], each[j]) for each in (slopes, offsets)])
    rows, right = certified_rows(case, *(torch.stack(x) for x in zip(*mixed, strict=True)))
    assert len(right) < len(mixed)
    assert nearest(rows, case) < 1e-3


def test_a_random_pattern_is_rejected_or_corrected() -> None:
    case = pair_case("relu", b=5)
    random = torch.rand(20, 60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    slopes = (random < 0.5).double()
    rows, right = certified_rows(case, slopes, torch.zeros_like(slopes))
    assert len(right) < 10
    assert nearest(rows, case) < 1e-3


def nearest(rows: Tensor, case: PairCase) -> float:
    """Largest relative distance of rows from a true one: corrections may lead to those."""
    distances = torch.cdist(rows, case.rows) / case.rows.norm(dim=1)
    return float(distances.amin(dim=1).max()) if len(rows) else 0.0


@per_activation
@pytest.mark.parametrize("sample", range(4))
def test_a_misjudged_neuron_corrects_itself(name: str, sample: int) -> None:
    case = pair_case(name, scale=2.0)
    pieces = case.problem.activation.pieces
    assert pieces is not None
    z = case.z[sample]
    ends = torch.tensor([end for end in (pieces.lower, pieces.upper) if abs(end) < 1e9])
    distances = (z[:, None] - ends).abs()
    neuron = int(distances.amin(dim=1).argmin())  # the one nearest to a kink
    end = float(ends[int(distances[neuron].argmin())])
    wrong = z.clone()
    wrong[neuron] = 2 * end - z[neuron]
    slopes, offsets = of_pattern(case, wrong[None])
    assert not torch.equal(slopes, of_pattern(case, z[None])[0])
    rows, right = certified_rows(case, slopes, offsets)
    assert right.tolist() == [0]
    assert relative(rows[0], case.rows[sample]) < 2e-3
