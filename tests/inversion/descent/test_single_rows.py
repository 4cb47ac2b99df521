"""A neuron with one unsolved sample gives that sample's row of Q^-1; others do not."""

import pytest
import torch
from support.problems import factorized, make_problem, true_disaggregation
from torch import Tensor

from spear.inversion.descent.deflation import Known
from spear.inversion.descent.single_rows import Rest, biorthogonal, mean_activity
from spear.inversion.factors.factorization import Factorization
from spear.inversion.factors.gram import unit

CASES = [(b, f, seed) for b, f in ((3, 0), (5, 0), (5, 3), (8, 6), (12, 11)) for seed in range(3)]


def solved_in_part(b: int, f: int, seed: int) -> tuple[Factorization, Tensor, Tensor, Known]:
    """A problem, its dL/dZ on active neurons, true rows of Q^-1, and the first f samples."""
    drawn = make_problem(b, m=60, seed=seed)
    problem = factorized(drawn.observation)
    disaggregation = true_disaggregation(problem, drawn.truth)
    rows = torch.linalg.inv(disaggregation)
    gradients = drawn.truth.activation_gradients.double()[problem.active]
    return problem, gradients, rows, Known(unit(disaggregation.T)[:f], rows[:f])


@pytest.mark.parametrize(("b", "f", "seed"), CASES)
def test_a_neuron_with_one_unsolved_sample_gives_its_row(b: int, f: int, seed: int) -> None:
    problem, gradients, rows, known = solved_in_part(b, f, seed)
    unsolved = gradients[:, f:] != 0
    single = (unsolved.sum(dim=1) == 1).nonzero()[:, 0]
    assert len(single) > 0
    found = Rest.of(problem, known).candidates(single)
    true = rows[f:][unsolved[single].int().argmax(dim=1)]
    torch.testing.assert_close(found, true, rtol=0, atol=1e-6 * float(rows.abs().max()))


@pytest.mark.parametrize(("b", "f", "seed"), CASES)
def test_other_neurons_give_no_row_of_a_sample(b: int, f: int, seed: int) -> None:
    problem, gradients, rows, known = solved_in_part(b, f, seed)
    several = ((gradients[:, f:] != 0).sum(dim=1) > 1).nonzero()[:, 0]
    cosines = unit(Rest.of(problem, known).candidates(several)) @ unit(rows).T
    assert not bool((cosines.abs() > 1 - 1e-6).any())


@pytest.mark.parametrize(("b", "f", "seed"), CASES)
def test_neurons_are_open_where_an_unsolved_sample_is_active(b: int, f: int, seed: int) -> None:
    problem, gradients, _, known = solved_in_part(b, f, seed)
    rest = Rest.of(problem, known)
    assert torch.equal(rest.open(problem), (gradients[:, f:] != 0).any(dim=1))
    torch.testing.assert_close(rest.made, gradients[:, :f], rtol=0, atol=1e-9)
    torch.testing.assert_close(rest.sums, gradients[:, f:].sum(dim=1), rtol=0, atol=1e-9)


def test_mean_activity_puts_neurons_with_few_samples_first() -> None:
    problem, gradients, _, known = solved_in_part(12, 4, seed=0)
    counts = (gradients[:, 4:] != 0).sum(dim=1).double()
    order = mean_activity(problem, known).argsort()
    third = len(order) // 3
    assert counts[order[:third]].mean() < counts.mean() - 1
    assert counts[order[-third:]].mean() > counts.mean() + 1


@pytest.mark.parametrize("share", [0.3, -0.2, 2.5])
def test_a_mixture_with_a_known_row_is_taken_apart(share: float) -> None:
    _, _, rows, known = solved_in_part(6, 4, seed=0)
    mixed = known.rows.clone()
    mixed[0] = (1 - share) * rows[0] + share * rows[2]
    found = biorthogonal(Known(known.directions, mixed)).rows
    expected = known.rows * ((mixed * known.directions).sum(dim=1) / scale_of(known))[:, None]
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)


def scale_of(known: Known) -> Tensor:
    return (known.rows * known.directions).sum(dim=1)
