"""Images: closed forms of PSNR, its bound, and where SSIM ends."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given
from support.scored import RGB, SEEDS, Pictures, found, off_by, perfect, truth
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from spear.scoring import PSNR_CAP, Scorer, Truth, psnr
from spear.scoring.images import AT_BOUND, RECOVERED_PSNR


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("error", "decibels"), [(0.1, 20.0), (1e-5, 100.0), (1e-9, 180.0)])
def test_an_error_has_its_closed_form_psnr(normalize: bool, error: float, decibels: float) -> None:
    dataset = Pictures((3, 16, 16), normalize)
    true = truth(dataset, 4)
    score = Scorer(dataset)(off_by(dataset, true, error), true)
    assert score.psnr_per_image == pytest.approx([decibels] * 4, abs=1e-4)
    assert score["mse"] == pytest.approx(error**2, rel=1e-5)
    assert score["mae"] == pytest.approx(error, rel=1e-5)


def test_pictures_above_the_bound_are_recovered_whatever_their_directions() -> None:
    true = truth(RGB, 4)
    errors = 10 ** (-torch.tensor([[20.1], [19.9], [90.0], [20.1]], dtype=torch.float64) / 20)
    pixels = RGB.denormalized(true.inputs) + errors[:, :, None, None]
    wrong = torch.roll(true.activation_gradients, 1, dims=1)
    score = Scorer(RGB)(found(RGB.normalized(pixels).flatten(1), wrong), true)
    assert score["recovered"] == 0.75
    assert score["psnr_min"] == pytest.approx(19.9, abs=1e-4)
    assert not score["exact"]


def test_a_noisy_update_bounds_the_psnr_by_least_squares() -> None:
    true = truth(RGB, 4)
    noise = 0.1 * torch.randn(30, 768, generator=torch.Generator().manual_seed(1)).double()
    noisy = dataclasses.replace(true, weight_update=true.activation_gradients @ true.inputs + noise)
    assert noisy.best_inputs is not None
    at_best = Scorer(RGB)(found(noisy.best_inputs, noisy.shared_gradients), noisy)
    assert at_best["psnr"] == pytest.approx(at_best["psnr_bound"], abs=1e-9)
    assert at_best["at_bound"] == 1.0
    assert 20 < at_best["psnr_bound"] < 60
    worse = found(noisy.best_inputs + 0.5 * torch.eye(4, 1).double(), noisy.shared_gradients)
    assert Scorer(RGB)(worse, noisy)["at_bound"] == 0.75


@given(SEEDS)
def test_psnr_follows_from_the_mean_squared_error(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.rand(2, 3, 1, 8, 8, generator=generator, dtype=torch.float64)
    expected = -10 * torch.log10((first - second).square().mean(dim=(1, 2, 3)))
    torch.testing.assert_close(psnr(first, second), expected, rtol=1e-6, atol=0.0)


def test_psnr_clips_to_the_data_range_and_mse_does_not() -> None:
    true = Truth(torch.ones(1, 64), torch.ones(30, 1), torch.zeros(1))
    dataset = Pictures((1, 8, 8), normalize=False)
    score = Scorer(dataset)(found(torch.full((1, 64), 3.0), torch.ones(30, 1)), true)
    assert score["psnr"] == PSNR_CAP
    assert score["mse"] == pytest.approx(4.0)
    assert score["mae"] == pytest.approx(2.0)


def test_ssim_needs_eleven_pixels() -> None:
    for side, defined in ((10, False), (11, True)):
        dataset = Pictures((1, side, 20))
        true = truth(dataset, 1)
        assert math.isnan(Scorer(dataset)(perfect(true), true)["ssim"]) is not defined


def noisy(true: Truth, dataset: Pictures, deviation: float) -> tuple[Tensor, Tensor]:
    """Pixels of the truth, and the same with noise that leaves [0, 1]."""
    pixels = dataset.denormalized(true.inputs)
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(1)).double()
    return pixels, pixels + deviation * noise


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_that_of_torchmetrics_on_clipped_pictures(channels: int) -> None:
    dataset = Pictures((channels, 24, 32))
    true = truth(dataset, 3)
    pixels, changed = noisy(true, dataset, 0.3)
    attack = found(dataset.normalized(changed).flatten(1), true.activation_gradients)
    _, expected = structural_similarity_index_measure(
        changed.clamp(0, 1), pixels, data_range=1.0, return_full_image=True
    )
    assert isinstance(expected, Tensor)
    expected = expected[..., 5:-5, 5:-5].mean()  # ours leaves out the edges
    assert Scorer(dataset)(attack, true)["ssim"] == pytest.approx(float(expected), abs=1e-6)
    assert 0.2 < expected < 0.8


@pytest.mark.parametrize(("below", "share"), [(2.9, 1.0), (3.1, 0.75)])
def test_at_its_bound_is_a_picture_less_than_three_decibels_below(
    below: float, share: float
) -> None:
    """Three pictures are the best estimate itself; one has its error times a factor."""
    assert AT_BOUND == 3.0
    true = truth(RGB, 4)
    noise = 0.01 * torch.randn(30, 768, generator=torch.Generator().manual_seed(1)).double()
    noisy = dataclasses.replace(true, weight_update=true.activation_gradients @ true.inputs + noise)
    assert noisy.best_inputs is not None
    inputs = noisy.best_inputs.clone()
    inputs[0] = true.inputs[0] + 10 ** (below / 20) * (inputs[0] - true.inputs[0])
    score = Scorer(RGB)(found(inputs, noisy.shared_gradients), noisy)
    assert score["at_bound"] == share
    assert score["psnr_bound"] - score["psnr"] == pytest.approx(below / 4, abs=1e-6)


def test_recovered_is_twenty_decibels_as_the_tables_say() -> None:
    assert RECOVERED_PSNR == 20.0
    true = truth(RGB, 2)
    for decibels, share in ((20.01, 1.0), (19.99, 0.0)):
        attack = off_by(RGB, true, 10 ** (-decibels / 20))
        assert Scorer(RGB)(attack, true)["recovered"] == share


def test_no_psnr_exceeds_the_resolution_of_float64() -> None:
    pixels = torch.full((1, 1, 8, 8), 0.25, dtype=torch.float64)
    decibels = [psnr(pixels + 2.0**-k, pixels).item() for k in (40, 53, 54, 80)]
    expected = [20 * k * math.log10(2) for k in (40, 53)]
    assert decibels == pytest.approx([*expected, 320.0, 320.0], abs=1e-3)
