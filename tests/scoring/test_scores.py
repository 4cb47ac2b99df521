"""Metrics: closed forms, invariances, and that no failure is dropped."""

import dataclasses
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spear.data.base import Dataset
from spear.errors import CheckpointError, ConfigError
from spear.reconstruction import Reconstruction, Status
from spear.scoring.lpips import load_lpips
from spear.scoring.scores import PSNR_CAP, Score, Scoring, psnr
from spear.scoring.truth import Truth

SEEDS = st.integers(0, 2**32 - 1)


class Pictures(Dataset):
    """No examples, only a shape and a normalisation."""

    name = "pictures"
    n_classes = 10

    def __init__(self, shape: tuple[int, ...], normalize: bool = True) -> None:
        self.input_shape = shape
        self.normalize = normalize
        self.mean = tuple(0.3 + 0.1 * i for i in range(shape[0]))
        self.std = tuple(0.2 + 0.1 * i for i in range(shape[0]))

    def __len__(self) -> int:
        return 0

    def example(self, index: int) -> tuple[Tensor, int]:
        raise IndexError(index)


RGB = Pictures((3, 16, 16))


def truth(dataset: Dataset, b: int, seed: int = 0) -> Truth:
    """Pictures with values in [0.25, 0.75], normalised, the gradients of m = 30 neurons, G."""
    generator = torch.Generator().manual_seed(seed)
    pixels = 0.25 + 0.5 * torch.rand(
        b, *dataset.input_shape, generator=generator, dtype=torch.float64
    )
    gradients = torch.randn(30, b, generator=generator, dtype=torch.float64)
    inputs = dataset.normalized(pixels).flatten(1)
    return Truth(inputs, gradients, torch.zeros(b), gradients @ inputs)


def found(inputs: Tensor, gradients: Tensor) -> Reconstruction:
    empty = Reconstruction.empty(gradients.shape[0], inputs.shape[1], Status.PARTIAL)
    return dataclasses.replace(empty, inputs=inputs, activation_gradients=gradients)


def perfect(true: Truth) -> Reconstruction:
    return found(true.inputs.clone(), true.activation_gradients.clone())


def off_by(dataset: Dataset, true: Truth, error: float) -> Reconstruction:
    """Every de-normalised pixel too large by `error`."""
    pixels = dataset.denormalized(true.inputs) + error
    return found(dataset.normalized(pixels).flatten(1), true.activation_gradients)


def test_a_perfect_reconstruction_has_the_cap_and_is_exact() -> None:
    true = truth(RGB, 5)
    score = Scoring(RGB)(perfect(true), true)
    assert score.psnr_per_image == (PSNR_CAP,) * 5
    assert score.psnr == PSNR_CAP
    assert score.ssim == pytest.approx(1.0, abs=1e-12)
    assert (score.mse, score.mae) == (0.0, 0.0)
    assert (score.recovered, score.psnr_min) == (1.0, PSNR_CAP)
    assert score.directions_right == 5
    assert score.exact


@given(SEEDS, st.integers(1, 8))
def test_the_order_of_the_reconstruction_changes_nothing(seed: int, b: int) -> None:
    true = truth(RGB, b, seed)
    generator = torch.Generator().manual_seed(seed)
    noise = 0.1 * torch.randn(true.inputs.shape, generator=generator, dtype=torch.float64)
    attack = found(true.inputs + noise, true.activation_gradients)
    shuffle = torch.randperm(b, generator=generator)
    shuffled = found(attack.inputs[shuffle], attack.activation_gradients[:, shuffle])
    # No LPIPS: NaN is not equal to itself.
    scores = [dataclasses.replace(Scoring(RGB)(a, true), lpips=0.0) for a in (attack, shuffled)]
    assert scores[0] == scores[1]
    assert scores[0].exact


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("error", "decibels"), [(0.1, 20.0), (1e-5, 100.0), (1e-9, 180.0)])
def test_an_error_has_its_closed_form_psnr(normalize: bool, error: float, decibels: float) -> None:
    dataset = Pictures((3, 16, 16), normalize)
    true = truth(dataset, 4)
    score = Scoring(dataset)(off_by(dataset, true, error), true)
    assert score.psnr_per_image == pytest.approx([decibels] * 4, abs=1e-4)
    assert score.mse == pytest.approx(error**2, rel=1e-5)
    assert score.mae == pytest.approx(error, rel=1e-5)


def test_pictures_above_the_bound_are_recovered_whatever_their_directions() -> None:
    true = truth(RGB, 4)
    errors = 10 ** (-torch.tensor([[20.1], [19.9], [90.0], [20.1]], dtype=torch.float64) / 20)
    pixels = RGB.denormalized(true.inputs) + errors[:, :, None, None]
    wrong = torch.roll(true.activation_gradients, 1, dims=1)
    score = Scoring(RGB)(found(RGB.normalized(pixels).flatten(1), wrong), true)
    assert score.recovered == 0.75
    assert score.psnr_min == pytest.approx(19.9, abs=1e-4)
    assert not score.exact


def test_a_noisy_update_bounds_the_psnr_by_least_squares() -> None:
    true = truth(RGB, 4)
    noise = 0.1 * torch.randn(30, 768, generator=torch.Generator().manual_seed(1)).double()
    noisy = dataclasses.replace(true, weight_update=true.activation_gradients @ true.inputs + noise)
    assert noisy.best_inputs is not None
    at_best = Scoring(RGB)(found(noisy.best_inputs, noisy.shared_gradients), noisy)
    assert at_best.psnr == pytest.approx(at_best.psnr_bound, abs=1e-9)
    assert at_best.at_bound == 1.0
    assert 20 < at_best.psnr_bound < 60
    worse = found(noisy.best_inputs + 0.5 * torch.eye(4, 1).double(), noisy.shared_gradients)
    assert Scoring(RGB)(worse, noisy).at_bound == 0.75


def test_directions_that_noise_has_moved_are_near_but_not_right() -> None:
    true = truth(RGB, 3)
    gradients = true.activation_gradients
    turned = torch.tensor([0.0, 0.4, 1.0]) * gradients.roll(1, dims=1)
    score = Scoring(RGB)(found(true.inputs, gradients + turned), true)
    assert (score.directions_right, score.directions_near) == (1, 2)


@given(SEEDS)
def test_psnr_follows_from_the_mean_squared_error(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.rand(2, 3, 1, 8, 8, generator=generator, dtype=torch.float64)
    expected = -10 * torch.log10((first - second).square().mean(dim=(1, 2, 3)))
    torch.testing.assert_close(psnr(first, second), expected, rtol=1e-6, atol=0.0)


def test_psnr_clips_to_the_data_range_and_mse_does_not() -> None:
    true = Truth(torch.ones(1, 64), torch.ones(30, 1), torch.zeros(1))
    dataset = Pictures((1, 8, 8), normalize=False)
    score = Scoring(dataset)(found(torch.full((1, 64), 3.0), torch.ones(30, 1)), true)
    assert score.psnr == PSNR_CAP
    assert score.mse == pytest.approx(4.0)
    assert score.mae == pytest.approx(2.0)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("lost", ["missing", "not finite"])
def test_a_lost_picture_is_scored_against_the_zero_input(normalize: bool, lost: str) -> None:
    dataset = Pictures((3, 16, 16), normalize)
    true = truth(dataset, 4)
    attack = perfect(true)
    if lost == "missing":
        attack = found(attack.inputs[:3], attack.activation_gradients[:, :3])
    else:
        attack.inputs[3, 7] = math.nan
        attack.activation_gradients[:, 3] = math.nan
    score = Scoring(dataset)(attack, true)
    pixels = dataset.denormalized(true.inputs)[3]
    zero = dataset.denormalized(torch.zeros_like(true.inputs[:1]))[0]
    if not normalize:
        assert (zero == 0).all()
    lost_psnr = -10 * (pixels - zero).square().mean().log10().item()
    assert score.psnr_per_image == pytest.approx([PSNR_CAP] * 3 + [lost_psnr])
    assert score.psnr == pytest.approx((3 * PSNR_CAP + lost_psnr) / 4)
    assert score.mse == pytest.approx((pixels - zero).square().mean().item() / 4)
    assert score.directions_right == 3
    assert not score.exact


def test_an_attack_that_found_nothing_is_scored() -> None:
    true = truth(RGB, 3)
    score = Scoring(RGB)(Reconstruction.empty(30, 768, Status.FULL_RANK), true)
    assert 0.0 < score.psnr < 20.0
    assert score.directions_right == 0
    assert not score.exact


def test_an_estimate_of_the_networks_inputs_is_scored_by_its_pictures_alone() -> None:
    true = truth(RGB, 3)
    pictures = Truth(true.inputs, true.inputs.new_zeros(0, 3), true.labels)
    estimate = Reconstruction.estimate(off_by(RGB, true, 0.1).inputs.flip(0), seconds=1.0)
    score = Scoring(RGB)(estimate, pictures)
    assert score.psnr == pytest.approx(20.0)
    assert score.directions_right == score.directions_near == 0
    assert not score.exact
    assert math.isnan(score.psnr_bound)
    assert math.isnan(estimate.sparsity_matching)
    assert (estimate.missing, estimate.status) == (0, Status.ESTIMATED)
    for nothing in (pictures.weight_gradient_median(), pictures.least_sparsity()):
        assert math.isnan(nothing)
    assert pictures.findable() == 0
    failed = Scoring(RGB)(Reconstruction.empty(0, 768, Status.FAILED), pictures)
    assert 0.0 < failed.psnr < 20.0


def test_a_picture_too_many_is_not_exact() -> None:
    true = truth(RGB, 3)
    more = truth(RGB, 1, seed=1)
    attack = found(
        torch.cat([more.inputs, true.inputs]),
        torch.cat([more.activation_gradients, true.activation_gradients], dim=1),
    )
    score = Scoring(RGB)(attack, true)
    assert score.psnr == PSNR_CAP
    assert score.directions_right == 3
    assert not score.exact


@pytest.mark.parametrize("factor", [-1.0, 5.0, 1e-30])
def test_a_direction_counts_up_to_sign_and_scale(factor: float) -> None:
    true = truth(RGB, 3)
    score = Scoring(RGB)(found(true.inputs, factor * true.activation_gradients), true)
    assert score.directions_right == 3
    assert score.exact


@pytest.mark.parametrize(("sine", "right"), [(1.3e-3, True), (1.5e-3, False)])
def test_a_direction_counts_within_the_tolerance(sine: float, right: bool) -> None:
    # 1 - cos = sine^2 / 2 is 1e-6 at a sine of 1.41e-3.
    gradients = torch.eye(30, 2, dtype=torch.float64)
    true = dataclasses.replace(truth(RGB, 2), activation_gradients=gradients, weight_update=None)
    turned = gradients.clone()
    turned[5, 0] = sine
    score = Scoring(RGB)(found(true.inputs, turned), true)
    assert score.directions_right == 1 + right
    assert score.exact is right


def test_a_direction_counts_only_with_its_own_input() -> None:
    true = truth(RGB, 2)
    score = Scoring(RGB)(found(true.inputs, true.activation_gradients.flip(1)), true)
    assert score.directions_right == 0


def test_a_zero_gradient_column_is_never_right() -> None:
    true = truth(RGB, 2)
    true.activation_gradients[:, 0] = 0.0
    assert Scoring(RGB)(perfect(true), true).directions_right == 1


def assert_no_picture_metrics(score: Score, b: int) -> None:
    values = (
        score.psnr,
        score.psnr_min,
        score.psnr_bound,
        score.at_bound,
        score.recovered,
        score.ssim,
        score.lpips,
        *score.psnr_per_image,
    )
    assert all(math.isnan(value) for value in values)
    assert len(score.psnr_per_image) == b


def test_inner_layers_are_scored_on_their_own_inputs() -> None:
    for n, scoring in ((100, Scoring(RGB)), (768, Scoring(RGB, first_layer=False))):
        true = Truth(torch.ones(2, n), torch.eye(30, 2), torch.zeros(2))
        attack = found(torch.full((2, n), 1.5), torch.eye(30, 2))
        score = scoring(attack, true)
        assert_no_picture_metrics(score, 2)
        assert (score.mse, score.mae) == (0.25, 0.5)
        assert score.exact
        assert scoring.pictures(attack, true) is None


def test_tabular_data_is_scored_on_its_own_values() -> None:
    dataset = Pictures((16,))
    dataset.is_image = False
    true = Truth(torch.ones(2, 16), torch.eye(30, 2), torch.zeros(2))
    score = Scoring(dataset)(found(torch.full((1, 16), 1.5), torch.eye(30, 1)), true)
    assert_no_picture_metrics(score, 2)
    assert score.mae == pytest.approx((0.5 + 1.0) / 2)


def test_pictures_are_matched_denormalised_and_clipped() -> None:
    true = truth(RGB, 3)
    attack = found(10 * true.inputs.flip(0), true.activation_gradients.flip(1))
    pair = Scoring(RGB).pictures(attack, true)
    assert pair is not None
    torch.testing.assert_close(pair[0], RGB.denormalized(true.inputs))
    torch.testing.assert_close(pair[1], RGB.denormalized(10 * true.inputs).clamp(0, 1))


def test_ssim_needs_eleven_pixels() -> None:
    for side, defined in ((10, False), (11, True)):
        dataset = Pictures((1, side, 20))
        true = truth(dataset, 1)
        assert math.isnan(Scoring(dataset)(perfect(true), true).ssim) is not defined


def test_lpips_needs_32_pixels_and_sees_clipped_pictures() -> None:
    seen: list[Tensor] = []

    def distances(first: Tensor, second: Tensor) -> Tensor:
        seen.extend([first, second])
        return torch.full((len(first),), 0.25)

    for side in (31, 32):
        dataset = Pictures((1, side, 40))
        true = truth(dataset, 2)
        score = Scoring(dataset, distances)(off_by(dataset, true, 0.5), true)
        assert math.isnan(score.lpips) if side == 31 else score.lpips == 0.25
    assert len(seen) == 4
    assert all(x.min() >= 0.0 and x.max() <= 1.0 for x in seen)


@pytest.fixture
def empty_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


@pytest.mark.usefixtures("empty_hub")
def test_absent_weights_give_no_lpips_and_say_where_they_were_looked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        assert load_lpips(tmp_path) is None
    assert str(tmp_path / "weights") in caplog.text
    true = truth(Pictures((3, 32, 32)), 1)
    assert math.isnan(Scoring(Pictures((3, 32, 32)), None)(perfect(true), true).lpips)


@pytest.mark.usefixtures("empty_hub")
@pytest.mark.parametrize("content", [b"not a checkpoint", None])
def test_damaged_weights_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "weights" / "alexnet-features-torchvision.pth"
    path.parent.mkdir()
    if content is None:
        torch.save({"features.0.weight": torch.zeros(1)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="AlexNet"):
        load_lpips(tmp_path)


def test_a_network_that_lpips_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'lpips_net' is 'squeeze'; expected one of alex, vgg\."):
        load_lpips(tmp_path, "squeeze")


@pytest.fixture(scope="module", params=["alex", pytest.param("vgg", marks=pytest.mark.slow)])
def deep_lpips(request: pytest.FixtureRequest) -> Callable[[Tensor, Tensor], Tensor]:
    metric = load_lpips(Path(os.environ.get("SPEAR_DATA", "data")), request.param)
    if metric is None:
        pytest.skip("no weights for LPIPS; SPEAR_DATA names the folder that has them in weights/")
    return metric


@pytest.mark.parametrize("channels", [1, 3])
def test_lpips_is_zero_for_equal_pictures_only(
    deep_lpips: Callable[[Tensor, Tensor], Tensor], channels: int
) -> None:
    dataset = Pictures((channels, 32, 32))
    true = truth(dataset, 2)
    scoring = Scoring(dataset, deep_lpips)
    assert scoring(perfect(true), true).lpips == 0.0
    assert scoring(found(-true.inputs, true.activation_gradients), true).lpips > 1e-2


def test_loading_lpips_leaves_the_random_numbers_alone(
    deep_lpips: Callable[[Tensor, Tensor], Tensor],
) -> None:
    state = torch.random.get_rng_state()
    load_lpips(Path(os.environ.get("SPEAR_DATA", "data")))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_features_are_similar_whatever_their_order_sign_and_scale() -> None:
    true = truth(RGB, 3)
    factors = torch.tensor([[-1.0], [0.1], [1e200]], dtype=torch.float64)
    mixed = true.inputs[[2, 0, 1]] * factors
    score = Scoring(RGB)(found(mixed, true.activation_gradients), true)
    assert score.feature_similarity == pytest.approx(1.0)
    assert Scoring(RGB)(perfect(true), true).feature_similarity == pytest.approx(1.0)


def test_features_that_are_missing_or_broken_count_as_zero() -> None:
    inputs = torch.eye(4, RGB.normalized(torch.zeros(1, 3, 16, 16)).numel(), dtype=torch.float64)
    true = Truth(inputs, torch.rand(30, 4, dtype=torch.float64), torch.zeros(4))
    mixed = (inputs[0] + inputs[1]) / 2**0.5
    broken = torch.stack([inputs[3], mixed, torch.full_like(mixed, math.nan)])
    score = Scoring(RGB)(found(broken, true.activation_gradients[:, :3]), true)
    assert score.feature_similarity == pytest.approx((1 + 0.5**0.5) / 4)
    nothing = found(inputs[:0], true.activation_gradients[:, :0])
    assert Scoring(RGB)(nothing, true).feature_similarity == 0.0


def test_labels_are_scored_in_the_order_of_the_inputs() -> None:
    true = truth(RGB, 3)
    labels = torch.tensor([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6]], dtype=torch.float64)
    soft = dataclasses.replace(true, labels=labels)
    order = torch.tensor([2, 0, 1])
    shuffled = found(true.inputs[order], true.activation_gradients[:, order])
    right = Scoring(RGB)(dataclasses.replace(shuffled, labels=labels[order]), soft)
    assert (right.label_accuracy, right.labels_exact, right.label_l1, right.label_l2) == (
        1.0, 1.0, 0.0, 0.0,
    )  # fmt: skip
    hard = dataclasses.replace(true, labels=torch.tensor([0, 1, 2]))
    score = Scoring(RGB)(dataclasses.replace(shuffled, labels=labels[order]), hard)
    assert score.label_accuracy == 1.0
    assert score.labels_exact == pytest.approx(1 / 3)
    assert score.label_l1 == pytest.approx((0.6 + 0.0 + 0.8) / 3)
    assert score.label_l2 == pytest.approx((0.18**0.5 + 0.0 + 0.24**0.5) / 3)


def test_labels_that_were_missed_are_wrong_and_those_that_nobody_looked_for_have_no_score() -> None:
    true = dataclasses.replace(truth(RGB, 2), labels=torch.tensor([0, 0]))
    one = found(true.inputs[1:], true.activation_gradients[:, 1:])
    score = Scoring(RGB)(dataclasses.replace(one, labels=torch.tensor([[1.0, 0.0]])), true)
    assert (score.label_accuracy, score.labels_exact) == (0.5, 0.5)
    assert (score.label_l1, score.label_l2) == (0.5, 0.5)
    assert math.isnan(Scoring(RGB)(perfect(true), true).label_l1)
