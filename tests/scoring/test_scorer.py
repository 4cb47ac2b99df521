"""Scores: invariances, and that no failure is dropped."""

import math
from types import MappingProxyType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.scored import RGB, SEEDS, Pictures, found, off_by, perfect, truth

from spear.errors import ConfigError
from spear.reconstruction import Reconstruction, Status
from spear.scoring import PSNR_CAP, Matched, Metric, Score, Scorer, Truth
from spear.scoring.shown import shown_images


def test_a_perfect_reconstruction_has_the_cap_and_is_exact() -> None:
    true = truth(RGB, 5)
    score = Scorer(RGB)(perfect(true), true)
    assert score.psnr_per_image == (PSNR_CAP,) * 5
    assert score["psnr"] == PSNR_CAP
    assert score["ssim"] == pytest.approx(1.0, abs=1e-12)
    assert (score["mse"], score["mae"]) == (0.0, 0.0)
    assert (score["recovered"], score["psnr_min"]) == (1.0, PSNR_CAP)
    assert score["directions_right"] == 5
    assert score["exact"]


@given(SEEDS, st.integers(1, 8))
def test_the_order_of_the_reconstruction_changes_nothing(seed: int, b: int) -> None:
    true = truth(RGB, b, seed)
    generator = torch.Generator().manual_seed(seed)
    noise = 0.1 * torch.randn(true.inputs.shape, generator=generator, dtype=torch.float64)
    attack = found(true.inputs + noise, true.activation_gradients)
    shuffle = torch.randperm(b, generator=generator)
    shuffled = found(attack.inputs[shuffle], attack.activation_gradients[:, shuffle])
    scores = [Scorer(RGB)(each, true) for each in (attack, shuffled)]
    assert repr(scores[0]) == repr(scores[1])  # NaN is not equal to itself
    assert scores[0]["exact"]


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
    score = Scorer(dataset)(attack, true)
    pixels = dataset.denormalized(true.inputs)[3]
    zero = dataset.denormalized(torch.zeros_like(true.inputs[:1]))[0]
    if not normalize:
        assert (zero == 0).all()
    lost_psnr = -10 * (pixels - zero).square().mean().log10().item()
    assert score.psnr_per_image == pytest.approx([PSNR_CAP] * 3 + [lost_psnr])
    assert score["psnr"] == pytest.approx((3 * PSNR_CAP + lost_psnr) / 4)
    assert score["mse"] == pytest.approx((pixels - zero).square().mean().item() / 4)
    assert score["directions_right"] == 3
    assert not score["exact"]


def test_an_attack_that_found_nothing_is_scored() -> None:
    true = truth(RGB, 3)
    score = Scorer(RGB)(Reconstruction.empty(30, 768, Status.FULL_RANK), true)
    assert 0.0 < score["psnr"] < 20.0
    assert score["directions_right"] == 0
    assert not score["exact"]


def test_an_estimate_of_the_networks_inputs_is_scored_by_its_pictures_alone() -> None:
    true = truth(RGB, 3)
    pictures = Truth(true.inputs, true.inputs.new_zeros(0, 3), true.labels)
    estimate = Reconstruction.estimate(off_by(RGB, true, 0.1).inputs.flip(0), seconds=1.0)
    score = Scorer(RGB)(estimate, pictures)
    assert score["psnr"] == pytest.approx(20.0)
    assert score["directions_right"] == score["directions_near"] == 0
    assert not score["exact"]
    assert math.isnan(score["psnr_bound"])
    assert math.isnan(estimate.sparsity_matching)
    assert (estimate.missing, estimate.status) == (0, Status.ESTIMATED)
    for nothing in (pictures.weight_gradient_median(), pictures.least_sparsity()):
        assert math.isnan(nothing)
    assert pictures.findable() == 0
    failed = Scorer(RGB)(Reconstruction.empty(0, 768, Status.FAILED), pictures)
    assert 0.0 < failed["psnr"] < 20.0


def assert_no_picture_metrics(score: Score, b: int) -> None:
    values = (
        score["psnr"],
        score["psnr_min"],
        score["psnr_bound"],
        score["at_bound"],
        score["recovered"],
        score["ssim"],
        score["lpips"],
        *score.psnr_per_image,
    )
    assert all(math.isnan(value) for value in values)
    assert len(score.psnr_per_image) == b


def test_inner_layers_are_scored_on_their_own_inputs() -> None:
    for n, scorer in ((100, Scorer(RGB)), (768, Scorer(RGB, first_layer=False))):
        true = Truth(torch.ones(2, n), torch.eye(30, 2), torch.zeros(2))
        attack = found(torch.full((2, n), 1.5), torch.eye(30, 2))
        score = scorer(attack, true)
        assert_no_picture_metrics(score, 2)
        assert (score["mse"], score["mae"]) == (0.25, 0.5)
        assert score["exact"]
        assert shown_images(scorer.beside(attack, true)) is None


def test_tabular_data_is_scored_on_its_own_values() -> None:
    dataset = Pictures((16,))
    dataset.is_image = False
    true = Truth(torch.ones(2, 16), torch.eye(30, 2), torch.zeros(2))
    score = Scorer(dataset)(found(torch.full((1, 16), 1.5), torch.eye(30, 1)), true)
    assert_no_picture_metrics(score, 2)
    assert score["mae"] == pytest.approx((0.5 + 1.0) / 2)


class Worst(Metric):
    """Largest error of an entry, and whether any is above 0.05."""

    names = ("worst", "visible")
    kinds = MappingProxyType({"visible": bool})

    def __call__(self, matched: Matched) -> dict[str, object]:
        error = (matched.found - matched.true).abs().max()
        return {"visible": error > 0.05, "worst": error}


def test_a_metric_of_ones_own_sees_the_matched_images() -> None:
    true = truth(RGB, 3)
    attack = off_by(RGB, true, 0.1)
    shuffled = found(attack.inputs.flip(0), attack.activation_gradients.flip(1))
    score = Scorer(RGB, [Worst()])(shuffled, true)
    assert list(score) == ["worst", "visible"]  # in the order in which they are declared
    assert score["worst"] == pytest.approx(0.1)
    assert score["visible"] is True
    assert isinstance(score["worst"], float)
    summary = Worst().summary()
    assert summary.keys() == {"worst_mean", "visible_mean"}
    for name, (column, aggregate) in summary.items():
        assert name == f"{column}_mean"
        assert aggregate(np.array([1.0, 2.0, 9.0])) == 4.0


def test_a_metric_must_compute_what_it_declares() -> None:
    class Other(Worst):
        names = ("worst",)

    true = truth(RGB, 1)
    with pytest.raises(ConfigError, match=r"Other computed visible, worst; expected its names, w"):
        Scorer(RGB, [Other()])(perfect(true), true)


def test_two_metrics_must_not_share_a_name() -> None:
    with pytest.raises(ConfigError, match="Worst has a number 'worst'"):
        Scorer(RGB, [Worst(), Worst()])

    class OneText(Worst):
        names = "worst"

    with pytest.raises(ConfigError, match=r"expected a tuple of strings, \('worst',\)"):
        Scorer(RGB, [OneText()])
