"""GIAS: its schedule, what parameters reach that latents do not, and what it leaves as it is."""

import copy

import pytest
import torch
from support.generators import UNIT, Ramp, attacked, update_of
from torch import nn

from spear.baselines.generative.generator import Prior
from spear.baselines.gias import GIAS
from spear.baselines.gradient_matching import AbsoluteVariation, Adam, StepDecay
from spear.baselines.label_recovery import CountedLabels
from spear.errors import ConfigError
from spear.reconstruction import Status

SMALL = {"latent_iterations": 60, "iterations": 80, "restarts": 1}


def test_the_steps_are_those_of_torch():
    """MultiStepLR at 3/8, 5/8 and 7/8 of the iterations."""
    parameter = nn.Parameter(torch.zeros(1))
    sgd = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.MultiStepLR(sgd, [30, 50, 70], gamma=0.1)
    ours = StepDecay()
    for iteration in range(80):
        assert ours(iteration, 80) == pytest.approx(theirs.get_last_lr()[0])
        sgd.step()
        theirs.step()


def test_a_share_above_one_is_refused():
    with pytest.raises(ConfigError, match=r"a share is 1.5; expected a number above 0, at most 1"):
        StepDecay(shares=(0.5, 1.5))


def test_a_picture_of_the_generator_is_found_by_its_latents():
    generator = Ramp()
    with torch.no_grad():
        private = generator.blocks(torch.tensor([[0.8, -1.1]]))
    attack = GIAS(generator, optimiser=Adam(0.1), latent_iterations=120, iterations=1, restarts=2)
    found = attacked(attack, update_of(private))
    assert found.status is Status.ESTIMATED
    assert found.details["iterations"] == 241
    torch.testing.assert_close(found.inputs.view_as(private), private, atol=0.02, rtol=0)


def test_parameters_reach_what_latents_do_not():
    private = torch.rand(1, *UNIT.shape, generator=torch.Generator().manual_seed(3))
    errors = {}
    for iterations in (1, 80):
        attack = GIAS(
            Ramp(), parameter_optimiser=Adam(0.02, StepDecay()),
            latent_iterations=60, iterations=iterations, restarts=1,
        )  # fmt: skip
        found = attacked(attack, update_of(private))
        errors[iterations] = float((found.inputs.view_as(private) - private).norm())
        assert found.details["distance"] <= found.details["distance_0"]
    assert found.details["stage"] == 1
    assert errors[80] < 0.5 * errors[1]


def test_each_image_has_parameters_of_its_own_and_the_generator_stays():
    generator = Ramp()
    before = copy.deepcopy(generator.state_dict())
    prior = Prior(generator, UNIT, torch.zeros(1))
    one, other = prior.free(), prior.free()
    assert all(each.requires_grad for each in one.parameters())
    with torch.no_grad():
        for each in one.parameters():
            each.zero_()
    for changed, kept, shared in zip(
        one.parameters(), other.parameters(), prior.parameters(), strict=True
    ):
        assert not changed.any()
        assert torch.equal(kept, shared)
        assert not shared.requires_grad
    attacked(GIAS(generator, **SMALL), update_of(torch.rand(2, *UNIT.shape)))
    for name, value in generator.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_usual_prior_is_the_authors_and_is_one_for_each_attack():
    first, second = GIAS(Ramp()), GIAS(Ramp())
    prior = first.regularisers["total_variation"]
    assert isinstance(prior, AbsoluteVariation)
    assert prior.weight == 1e-6
    assert first.regularisers is not second.regularisers


def test_labels_that_it_counts_are_returned():
    update = update_of(torch.rand(2, *UNIT.shape), labels=torch.tensor([4, 1]))
    found = attacked(GIAS(Ramp(), labels=CountedLabels(2), **SMALL), update)
    assert found.labels.argmax(dim=1).tolist() == [1, 4]
    assert attacked(GIAS(Ramp(), **SMALL), update).labels is None


def test_the_same_seed_gives_the_same_images():
    update = update_of(torch.rand(2, *UNIT.shape))
    attack = GIAS(Ramp(), latent_iterations=5, iterations=5, restarts=1)
    assert torch.equal(attacked(attack, update).inputs, attacked(attack, update).inputs)
    assert not torch.equal(attacked(attack, update).inputs, attacked(attack, update, 1).inputs)


@pytest.mark.parametrize(
    "lengths",
    [{"latent_iterations": 10**6}, {"latent_iterations": 2, "iterations": 10**6}],
)
def test_out_of_time_in_either_search_it_returns_the_best_so_far(lengths):
    found = attacked(
        GIAS(Ramp(), time_limit=0.3, restarts=1, **lengths), update_of(torch.rand(2, *UNIT.shape))
    )
    assert found.status is Status.TIMED_OUT
    assert found.inputs.shape == (2, 64)
    assert 0 <= found.inputs.min() <= found.inputs.max() <= 1


def test_a_generator_without_parameters_is_refused():
    class Fixed(nn.Module):
        latent_shape = (64,)

        def __init__(self):
            super().__init__()
            self.blocks = nn.Sequential(nn.Sigmoid(), nn.Unflatten(1, UNIT.shape))

    with pytest.raises(ConfigError, match="the generator has no parameters to search"):
        attacked(GIAS(Fixed(), **SMALL), update_of(torch.rand(1, *UNIT.shape)))


def test_searches_of_no_iterations_are_refused():
    for key in ("latent_iterations", "iterations", "restarts"):
        with pytest.raises(ConfigError, match=f"^{key} is 0; expected at least 1"):
            GIAS(Ramp(), **{key: 0})
