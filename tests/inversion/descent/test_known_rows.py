"""Rows of known directions: exact where a neuron leaves one alone, and the given ones elsewhere."""

import dataclasses

import torch
from support.patterns import Patterned, update_of_pattern
from support.problems import factorized
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

NEVER_ALONE = torch.tensor(
    [[1, 0, 0, 0, 0, 0]] + [[0, 1, 0, 0, 1, 0]] * 2 + [[0, 1, 1, 1, 0, 1]] * 2 + [[1] * 6] * 4
).bool()
"""Sample 1 has a neuron to itself; 2, 3 and 4 share theirs with samples that are not known."""


def known_of(pattern: Tensor) -> tuple[Patterned, Factorization, Tensor, Known]:
    """The first F samples with their true directions, and rows that a fit has left inexact."""
    update = update_of_pattern(pattern.repeat(3, 1), 2 * B)
    problem = factorized(update.observation)
    gradients = update.gradients[problem.active]
    directions = torch.linalg.lstsq(problem.left, gradients).solution.T
    rows = torch.linalg.inv(directions.T)
    generator = torch.Generator().manual_seed(1)
    fitted = rows[:F] + 0.01 * torch.randn(F, B, generator=generator, dtype=rows.dtype)
    return update, problem, rows, Known(unit(directions[:F]), fitted)


def test_samples_that_are_alone_after_others_get_their_exact_rows() -> None:
    _, problem, rows, known = known_of(STAIRCASE)
    found = with_exact_rows(problem, known)
    torch.testing.assert_close(found.rows, rows[:F], rtol=1e-7, atol=1e-9)
    assert torch.equal(found.directions, known.directions)


def test_a_sample_beside_unknown_ones_keeps_the_row_of_its_fit() -> None:
    _, problem, rows, known = known_of(NEVER_ALONE)
    found = with_exact_rows(problem, known)
    torch.testing.assert_close(found.rows[:1], rows[:1], rtol=1e-7, atol=1e-9)
    assert torch.equal(found.rows[1:], known.rows[1:])


def test_noise_leaves_all_rows_as_they_are() -> None:
    _, problem, _, known = known_of(STAIRCASE)
    noisy = dataclasses.replace(problem, noise=dataclasses.replace(problem.noise, white=True))
    assert torch.equal(with_exact_rows(noisy, known).rows, known.rows)
    nothing = Known(known.directions[:0], known.rows[:0])
    assert len(with_exact_rows(problem, nothing)) == 0


def test_a_partial_result_has_the_exact_inputs_of_what_is_known() -> None:
    update, problem, _, known = known_of(STAIRCASE)
    basis = sparsest_basis(problem, known.directions)
    selection = select(problem, Polish(problem), basis, known)
    assert (selection.status, selection.n_found) == (Status.PARTIAL, F)
    found = torch.linalg.solve(selection.directions, problem.right)
    closest = unit(found) @ unit(update.inputs[:F]).T
    assert bool((closest.amax(dim=0) > 1 - 1e-9).all())
