"""Generators and the search over them: projections, closed forms, what each stage can reach."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from scipy.optimize import brentq
from support.generators import SHAPE, UNIT, Ramp, attacked, update_of
from torch import nn

from spear.baselines.generative.dcgan import DCGAN
from spear.baselines.generative.generator import Prior
from spear.baselines.generative.training import Training
from spear.baselines.gifd.attack import GIFD
from spear.baselines.gifd.l1_ball import project
from spear.baselines.gradient_matching.objectives import CosineDistance, SquaredDistance
from spear.baselines.gradient_matching.regularisers import AbsoluteVariation
from spear.baselines.gradient_matching.schedules import WarmUpRampDown
from spear.baselines.gradient_matching.transforms import SharedNorm, SharedZeros, Transformed
from spear.baselines.gradient_matching.victim import Evaluation, Victim
from spear.client.defenses import Clipping, Soteria, Sparsification
from spear.data import Digits, Faces
from spear.domain import Domain
from spear.errors import CheckpointError, ConfigError, InvalidObservation, VictimError
from spear.reconstruction import Status

# The l1 ball.


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.floats(-100, 100), min_size=6, max_size=6), min_size=1, max_size=4),
    st.floats(1e-3, 300),
)
def test_the_projection_is_the_soft_threshold_that_reaches_the_radius(rows, radius):
    """By definition: the threshold is found by bisection, for each example by itself."""
    points = torch.tensor(rows, dtype=torch.float64)
    found = project(points, radius)
    for row, ours in zip(points, found, strict=True):
        magnitudes = row.abs()
        if magnitudes.sum() <= radius:
            expected = row
        else:
            threshold = brentq(
                lambda t, v=magnitudes: float((v - t).clamp(min=0).sum() - radius), 0, 101
            )
            expected = row.sign() * (magnitudes - threshold).clamp(min=0)
        torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-6)
    assert (found.abs().sum(dim=1) <= radius * (1 + 1e-9)).all()


def test_the_projection_takes_features_of_any_shape_and_is_nearest():
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(3, 2, 4, 4, generator=generator, dtype=torch.float64)
    found = project(points, 5.0)
    assert found.shape == points.shape
    torch.testing.assert_close(project(found, 5.0), found)
    # Nearest points of a convex set: no other point of the ball lies on their far side.
    other = torch.randn(3, 2, 4, 4, generator=generator, dtype=torch.float64)
    other *= 5.0 / other.abs().sum(dim=(1, 2, 3), keepdim=True)
    assert (((points - found) * (other - found)).sum(dim=(1, 2, 3)) <= 1e-9).all()


# Pieces of gradient matching.


@pytest.mark.parametrize(
    ("iteration", "factor"), [(0, 0.0), (25, 0.5), (50, 1.0), (250, 1.0), (625, 0.5), (1000, 0.0)]
)
def test_the_rate_warms_up_and_ramps_down(iteration, factor):
    assert WarmUpRampDown()(iteration, 1000) == pytest.approx(factor, abs=1e-12)


def test_a_share_of_the_iterations_must_be_one():
    with pytest.raises(ConfigError, match=r"^warm_up is 0; expected a share above 0"):
        WarmUpRampDown(warm_up=0)


def test_the_absolute_variation_of_a_ramp_is_its_slopes():
    rows = torch.arange(8.0)[:, None].expand(8, 8)
    ramp = (0.5 * rows + 0.25 * rows.T).expand(2, 1, 8, 8)
    term = AbsoluteVariation(2.0).prepare(update_of(torch.rand(2, *SHAPE)))
    assert term(Evaluation(ramp, {}, {})).item() == pytest.approx(2.0 * 0.75)


@pytest.mark.parametrize(
    ("defense", "transform", "distance"),
    [
        (Sparsification(0.5), SharedZeros(), CosineDistance()),
        (Soteria(0.5), SharedZeros(), CosineDistance()),
        (Clipping(0.01), SharedNorm(), SquaredDistance()),
        (Clipping(0.01), None, CosineDistance()),
    ],
)
@pytest.mark.parametrize("b", [1, 30])
def test_with_the_defense_repeated_the_private_batch_fits(defense, transform, distance, b):
    pictures = torch.rand(b, *SHAPE, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(b) % 10
    update = update_of(pictures, labels=labels, defense=defense)
    gradients = Victim(update.copied("cpu"))(pictures, labels).gradients
    repeated = Transformed(distance, transform).prepare(update.gradients)(gradients)
    assert repeated.item() == pytest.approx(0.0, abs=1e-6)
    if transform:
        assert distance.prepare(update.gradients)(gradients) > 1e-3


def test_shorter_gradients_are_not_stretched():
    pictures = torch.rand(2, *SHAPE)
    update = update_of(pictures)
    gradients = Victim(update.copied("cpu"))(pictures, torch.arange(2)).gradients
    longer = {name: 2 * value for name, value in update.gradients.items()}
    kept = SharedNorm().prepare(longer)(gradients)
    for name, value in update.gradients.items():
        torch.testing.assert_close(kept[name].dense(), value)


# Generators.


@pytest.mark.parametrize(
    ("shape", "squares"), [((1, 28, 28), [7, 14]), ((3, 32, 32), [4, 8, 16]), ((1, 8, 8), [4])]
)
def test_every_block_doubles_the_side(shape, squares):
    generator = DCGAN(shape, latent=5, width=2).eval()
    features, sides = torch.randn(3, 5), []
    for block in generator.blocks:
        features = block(features)
        sides.append(features.shape[-1])
    assert sides == [*squares, shape[-1]]
    assert features.shape == (3, *shape)
    assert features.min() >= 0
    assert features.max() <= 1


def test_the_same_seed_gives_the_same_generator_and_leaves_the_random_state():
    state = torch.random.get_rng_state()
    first, second = DCGAN(SHAPE, seed=3), DCGAN(SHAPE, seed=3)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first.blocks[0][1].weight, second.blocks[0][1].weight)
    assert not torch.equal(first.blocks[0][1].weight, DCGAN(SHAPE, seed=4).blocks[0][1].weight)


def test_a_generator_survives_the_disk(tmp_path):
    made = DCGAN(SHAPE, latent=3, width=4, seed=5).eval()
    made.save(tmp_path / "made.safetensors", {"command": "by hand"})
    found = DCGAN.trained(tmp_path / "made.safetensors")
    assert not found.training
    latents = torch.randn(2, 3)
    torch.testing.assert_close(found(latents), made(latents), atol=2e-3, rtol=0)  # half precision
    with safe_open(tmp_path / "made.safetensors", "pt") as file:
        assert file.metadata()["command"] == "by hand"
        assert json.loads(file.metadata()["architecture"])["width"] == 4


def test_files_that_hold_no_generator_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"'nowhere', which is neither a .safetensors file"):
        DCGAN.trained("nowhere")
    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"x")
    for name in ("other", "damaged"):
        with pytest.raises(CheckpointError, match="is no generator that"):
            DCGAN.trained(tmp_path / f"{name}.safetensors")


@pytest.mark.parametrize("shape", [(1, 25, 25), (1, 8, 16), (64,), (1, 4, 4), ()])
def test_shapes_that_doubling_does_not_lead_to_are_refused(shape):
    with pytest.raises(ConfigError, match="square images C x H x W"):
        DCGAN(shape)


def test_training_is_the_same_every_time_and_lowers_the_error():
    def trained(epochs, seed=0):
        generator = DCGAN(SHAPE, latent=8, width=8)
        return generator, Training(epochs, 100, 5e-3)(generator, Digits("train"), seed)

    (first, short), (second, _), (_, long) = trained(1), trained(1), trained(6)
    latents = torch.randn(2, 8)
    assert torch.equal(first(latents), second(latents))
    assert long.mse < 0.8 * short.mse
    assert long.divergence > 1  # latents say something of the picture
    assert not any(parameter.grad is not None for parameter in first.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs is 0; expected at least 1"),
        ({"batch_size": 1}, "batch_size is 1; expected at least 2, for batch norm"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; expected more than 0"),
    ],
)
def test_settings_of_training_without_a_meaning_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        Training(**change)


def test_data_that_do_not_fit_the_generator_are_refused():
    with pytest.raises(ConfigError, match=r"'faces' has examples of shape \(1, 25, 25\), but"):
        Training(1)(DCGAN(SHAPE), Faces())
    with pytest.raises(ConfigError, match=r"batch_size is 5000, but data set 'digits'"):
        Training(1, batch_size=5000)(DCGAN(SHAPE), Digits())


def test_a_loss_that_is_not_finite_ends_the_training():
    training = Training(5, batch_size=100, learning_rate=1e9)
    with pytest.raises(ConfigError, match="at which the loss was not finite in step"):
        training(DCGAN(SHAPE, latent=4, width=4), Digits("train"))


# The search.


def test_pictures_are_scaled_to_the_range_of_the_network():
    digits = Digits()
    prior = Prior(Ramp(), digits.domain, torch.zeros(1))
    latents = torch.randn(3, 2)
    pictures = prior.images(0, latents)
    torch.testing.assert_close(prior.inputs(0, latents), digits.normalized(pictures))


def test_a_picture_of_the_generator_is_found_by_its_latents():
    generator = Ramp()
    with torch.no_grad():
        private = generator.blocks(torch.tensor([[0.8, -1.1]]))
    found = attacked(GIFD(generator, iterations=100, restarts=2), update_of(private))
    assert found.status is Status.ESTIMATED
    torch.testing.assert_close(found.inputs.view_as(private), private, atol=0.02, rtol=0)
    assert found.details["stage"] == 0
    assert found.details["distance"] < 1e-4


def test_features_reach_what_latents_do_not_but_only_within_the_ball():
    generator = Ramp()
    away = torch.zeros(1, 16)
    away[0, 3] = 2.0
    with torch.no_grad():
        inner = generator.blocks[0](torch.tensor([[0.8, -1.1]]))
        private = generator.blocks[1](inner + away)
    update = update_of(private)
    errors = {}
    for radius in (None, 0.01, 8.0):
        radii = [] if radius is None else [radius]
        found = attacked(
            GIFD(generator, radii, iterations=60 * (1 + len(radii)), restarts=1), update
        )
        errors[radius] = float((found.inputs.view_as(private) - private).norm())
    assert errors[8.0] < 0.3 * errors[None]
    assert errors[0.01] == pytest.approx(errors[None], rel=0.05)


def test_what_is_returned_has_the_least_distance_of_all_stages():
    update = update_of(torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0)))
    details = attacked(GIFD(Ramp(), [5.0], iterations=21, restarts=2), update).details
    assert details["iterations"] == 40
    least = min(details["distance_0"], details["distance_1"])
    assert details["distance"] == least
    assert details["distance_1"] == least
    assert details["stage"] == 1


def test_the_same_seed_gives_the_same_pictures():
    update = update_of(torch.rand(2, *SHAPE))
    attack = GIFD(Ramp(), [5.0], iterations=10, restarts=1)
    assert torch.equal(attacked(attack, update).inputs, attacked(attack, update).inputs)
    assert not torch.equal(attacked(attack, update).inputs, attacked(attack, update, 1).inputs)


def test_out_of_time_it_returns_the_best_so_far():
    attack = GIFD(Ramp(), [5.0], iterations=10**6, restarts=1, time_limit=0.05)
    found = attacked(attack, update_of(torch.rand(2, *SHAPE)))
    assert found.status is Status.TIMED_OUT
    assert found.inputs.shape == (2, 64)
    assert found.inputs.min() >= 0
    assert found.inputs.max() <= 1


@pytest.mark.parametrize(
    ("radii", "message"),
    [([1, 2], r"\[1, 2\], but the generator has 2 blocks with 1 f"), ([0.0], "radii above 0")],
)
def test_radii_that_fit_no_features_are_refused(radii, message):
    with pytest.raises(ConfigError, match=message):
        GIFD(Ramp(), radii)


def test_what_is_no_generator_is_refused():
    with pytest.raises(ConfigError, match=r"a Linear without `latent_shape` and `blocks`"):
        GIFD(nn.Linear(2, 3))
    empty = Ramp()
    empty.blocks = nn.Sequential()
    with pytest.raises(ConfigError, match=r"generator has no blocks"):
        GIFD(empty)
    with pytest.raises(ConfigError, match=r"restarts is 0; expected at least 1"):
        GIFD(Ramp(), restarts=0)
    with pytest.raises(ConfigError, match=r"iterations is 1; expected at least 2"):
        GIFD(Ramp(), [1.0], iterations=1)


def test_pictures_of_another_shape_than_the_networks_inputs_are_refused():
    digits = Digits()
    update = update_of(digits.batch(1, torch.Generator()).inputs, digits.domain)
    message = r"images of shape \(3, 16, 16\), but the network takes inputs of shape \(1, 8, 8\)"
    with pytest.raises(InvalidObservation, match=message):
        attacked(GIFD(DCGAN((3, 16, 16), width=2)), update)


def test_a_domain_without_bounds_is_refused():
    update = update_of(torch.rand(1, *SHAPE), Domain.unbounded(SHAPE))
    with pytest.raises(InvalidObservation, match="range of the network's inputs is not known"):
        attacked(GIFD(Ramp()), update)


def test_blocks_that_do_not_follow_each_other_are_refused():
    broken = Ramp()
    broken.blocks[0] = nn.Linear(2, 15)
    with pytest.raises(ConfigError, match=r"block 1 of the generator does not take .*\(1, 15\)"):
        attacked(GIFD(broken), update_of(torch.rand(1, *SHAPE)))


def test_weights_that_are_not_finite_are_refused():
    broken = Ramp()
    nn.init.constant_(broken.blocks[0].weight, float("nan"))
    with pytest.raises(ConfigError, match="makes NaN or infinite images; check its weights"):
        attacked(GIFD(broken), update_of(torch.rand(1, *SHAPE)))


def test_an_objective_that_is_finite_nowhere_is_told():
    class Broken(nn.Module):
        def forward(self, outputs, labels):
            return nn.functional.cross_entropy(outputs, labels) * float("nan")

    update = update_of(torch.rand(1, *SHAPE))
    update = type(update)(update.network, update.gradients, Broken(), UNIT, update.labels)
    with pytest.raises(VictimError, match="the objective of GIFD is not finite"):
        attacked(GIFD(Ramp(), [1.0], iterations=2), update)


def test_labels_that_are_not_known_are_asked_for():
    update = update_of(torch.rand(1, *SHAPE))
    update = type(update)(update.network, update.gradients, update.loss, UNIT)
    with pytest.raises(InvalidObservation, match="the labels are not known"):
        attacked(GIFD(Ramp()), update)
