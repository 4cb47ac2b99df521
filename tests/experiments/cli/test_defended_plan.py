"""`spear plan` of defended gradients: a forecast only if records tell the time."""

import pytest

from spear.experiments.cli.plan import plan

CHANGED = "int8,int8_stochastic,random_sparsification,sign,sparsification,top_k,clipping_by_value"


def obstacles(*overrides: str) -> list[str]:
    return [job.obstacle for job in plan([*overrides])]


@pytest.mark.parametrize("attack", ["spear_irls", "spear_pair"])
def test_a_gradient_whose_entries_are_changed_has_no_forecast(attack):
    """Of these a search takes 0.1 s, or its time limit."""
    said = obstacles(f"attack={attack}", f"defense={CHANGED}")
    assert len(said) == 7
    assert all(each.startswith("no forecast for ") for each in said)


def test_noise_has_a_forecast_as_far_as_records_go():
    small, limit, large = plan(["defense=gaussian_noise", "defense.noise_std=1e-7,1e-5,1e-3"])
    assert small.search.noisy
    assert limit.search == small.search
    assert large.search is None
    assert large.obstacle.startswith("no forecast for noise of 0.001 per entry; ")


@pytest.mark.parametrize(("defense", "b"), [("dpsgd_opacus", 10), ("dpsgd_each", 100)])
def test_the_scale_of_a_noise_multiplier_counts(defense, b):
    """sigma C / b and sigma C / sqrt(b): both 1e-5 here."""
    line = [f"defense={defense}", "defense.max_norm=2", f"batch_size={b}"]
    small, large = obstacles(*line, "defense.noise_multiplier=4.9e-5,5.1e-5")
    assert (small, large[:23]) == ("", "no forecast for noise o")


def test_rounding_to_half_precision_is_noise():
    plain, rounded = plan(["defense=none,bfloat16"])
    assert [each.search.noisy for each in (plain, rounded)] == [False, True]
    assert "rounded" in obstacles("attack=spear_pair", "defense=float16")[0]
