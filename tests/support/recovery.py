"""What tests of the exact attacks share: settings, problems and claims of a reconstruction."""

from typing import Any

import pytest
import torch
from support.problems import (
    Problem,
    factorized,
    problem_of,
    true_disaggregation,
    unit_columns,
)
from torch import Tensor

from spear.data.base import Batch
from spear.inversion import Spear
from spear.inversion.factors.factorization import Factorization
from spear.inversion.sampling.samplers import (
    InformationSetSampler,
    SvdSampler,
)
from spear.networks.fully_connected import fcnn
from spear.reconstruction import Reconstruction, Status
from spear.scoring.matching import match

DTYPES = [torch.float32, torch.float64]


PSNR_AT_LEAST = {torch.float32: 140.0, torch.float64: 280.0}


ERROR_AT_MOST = {torch.float32: 1e-5, torch.float64: 1e-12}
"""Largest error of a reconstructed standard normal input."""


per_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


per_sampler = pytest.mark.parametrize("sampler", [SvdSampler(), InformationSetSampler()])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def attack(**settings: Any) -> Spear:
    """An attack that a mistake in the search does not make endless."""
    return Spear(time_limit=10.0, **settings)


def errors(reconstruction: Reconstruction, inputs: Tensor) -> Tensor:
    """Largest error in each true input; infinite where nothing is left to match it."""
    order = match(reconstruction.inputs, inputs)
    differences = reconstruction.inputs[order] - inputs.double()
    return differences.abs().amax(dim=1).where(order >= 0, torch.inf)


def assert_exact(reconstruction: Reconstruction, problem: Problem) -> None:
    """Every claim of the reconstruction holds."""
    dtype = problem.truth.inputs.dtype
    assert reconstruction.status is Status.EXACT
    assert reconstruction.sparsity_matching == 1.0
    assert reconstruction.batch_size == reconstruction.n_directions == problem.b
    assert errors(reconstruction, problem.truth.inputs).max() < ERROR_AT_MOST[dtype]
    order = match(reconstruction.inputs, problem.truth.inputs)
    found = reconstruction.activation_gradients[:, order]
    true = problem.truth.activation_gradients.double()
    # A reconstructed gradient has the noise of the batch, not of its own sample.
    assert (found - true).norm() < ERROR_AT_MOST[dtype] * true.norm()


def true_directions(problem: Problem) -> tuple[Factorization, Tensor]:
    found = factorized(problem.observation)
    return found, unit_columns(true_disaggregation(found, problem.truth))


def nested_problem() -> Problem:
    """Four samples; 2 is active wherever 0 is, and 3 wherever 1 is."""
    b, m, n = 4, 40, 60
    network = fcnn((n,), 10, width=m, depth=2, seed=0).double()
    active = torch.rand(m, b, generator=generator()) < 0.5
    active[:, 2] |= active[:, 0]
    active[:, 3] |= active[:, 1]
    magnitudes = 0.1 + torch.rand(m, b, generator=generator(), dtype=torch.float64)
    z = torch.where(active, magnitudes, -magnitudes)
    weight, bias = network[1].weight.detach(), network[1].bias.detach()
    inputs = torch.linalg.lstsq(weight, z - bias[:, None]).solution.T
    return problem_of(network, Batch(inputs, torch.arange(b)), torch.float64)


def nested_mixture(problem: Factorization, true: Tensor, inner: int, outer: int) -> Tensor:
    """q_inner + a q_outer has the zeros of q_outer and one more, where `inner` is active."""
    values = problem.left @ true
    row = int(values[:, inner].abs().argmax())
    mixture = true[:, inner] - values[row, inner] / values[row, outer] * true[:, outer]
    return mixture / torch.linalg.vector_norm(mixture)
