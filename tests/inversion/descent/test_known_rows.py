"""Rows of known directions: exact where a neuron leaves one alone, and the given ones elsewhere."""

import dataclasses

import pytest
import torch
from support.patterns import update_of_pattern
from support.problems import factorized, make_problem
from torch import Tensor

from spear.inversion.descent.basis import select, sparsest_basis
from spear.inversion.descent.deflation import Known
from spear.inversion.descent.known_rows import with_exact_rows
from spear.inversion.directions.exact import Polish
from spear.inversion.factors.factorization import Factorization
from spear.inversion.factors.gram import unit
from spear.reconstruction import Status

B, F = 6, 4

STAIRCASE = torch.cat([torch.ones(B, B).triu().T, torch.ones(B, B).triu()[1:]]).bool()
"""Neurons active for the first k samples, and for the last k: with the first F samples known, one
of each kind of neuron has a known and unknown ones."""


def known_of(
    problem: Factorization, gradients: Tensor, seed: int = 1
) -> tuple[Factorization, Tensor, Known]:
    """The first F samples with their true directions, and rows that a fit has left inexact."""
    gradients = gradients[problem.active]
    directions = torch.linalg.lstsq(problem.left, gradients).solution.T
    rows = torch.linalg.inv(directions.T)
    generator = torch.Generator().manual_seed(seed)
    fitted = rows[:F] + 0.01 * torch.randn(rows[:F].shape, generator=generator, dtype=rows.dtype)
    return problem, rows, Known(unit(directions[:F]), fitted)


def staircase() -> tuple[Factorization, Tensor, Known]:
    update = update_of_pattern(STAIRCASE.repeat(3, 1), 2 * B)
    return known_of(factorized(update.observation), update.gradients)


def test_samples_that_are_alone_after_others_get_their_exact_rows() -> None:
    problem, rows, known = staircase()
    found = with_exact_rows(problem, known)
    torch.testing.assert_close(found.rows, rows[:F], rtol=1e-7, atol=1e-9)
    assert torch.equal(found.directions, known.directions)


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_exact_or_those_of_the_fit(seed: int) -> None:
    """Of 400 neurons some have one of 8 samples, most have known and unknown ones."""
    drawn = make_problem(8, m=400, seed=seed, depth=2)
    gradients = drawn.truth.activation_gradients.double()
    problem, rows, known = known_of(factorized(drawn.observation), gradients, seed)
    found = with_exact_rows(problem, known)
    exact = ((found.rows - rows[:F]).abs() <= 1e-6 * rows.abs().max()).all(dim=1)
    assert int(exact.sum()) >= 2
    assert torch.equal(found.rows[~exact], known.rows[~exact])


def test_noise_leaves_all_rows_as_they_are() -> None:
    problem, _, known = staircase()
    noisy = dataclasses.replace(problem, noise=dataclasses.replace(problem.noise, white=True))
    assert torch.equal(with_exact_rows(noisy, known).rows, known.rows)
    nothing = Known(known.directions[:0], known.rows[:0])
    assert len(with_exact_rows(problem, nothing)) == 0


def test_a_partial_result_has_the_exact_inputs_of_what_is_known() -> None:
    problem, rows, known = staircase()
    basis = sparsest_basis(problem, known.directions)
    selection = select(problem, Polish(problem), basis, known)
    assert (selection.status, selection.n_found) == (Status.PARTIAL, F)
    found = torch.linalg.solve(selection.directions, problem.right)
    closest = unit(found) @ unit(rows[:F] @ problem.right).T
    assert bool((closest.amax(dim=0) > 1 - 1e-9).all())
