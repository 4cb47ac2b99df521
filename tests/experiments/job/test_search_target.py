"""The search for the smallest noise that stops the attack: its objective, and Optuna with it."""

import json

import pandas as pd
import pytest
import yaml
from support.command import Command
from support.specs import SEARCH, spec_of

from spear.analysis.figures.defense_search import NOISE, smallest
from spear.errors import ConfigError
from spear.experiments.job.search_target import LeastThatStops, searched_number


def wanted(strength: float) -> LeastThatStops:
    return LeastThatStops(strength, strongest=0.01, measure="recovered_mean", at_most=0.05)


def test_whatever_stops_the_attack_is_better_than_whatever_does_not():
    stops = [wanted(s)({"recovered_mean": r}) for s, r in ((1e-6, 0.0), (1e-3, 0.05), (0.01, 0.0))]
    goes_on = [wanted(s)({"recovered_mean": r}) for s, r in ((0.01, 0.06), (1e-6, 0.5), (1e-3, 1))]
    assert stops == [1e-6, 1e-3, 0.01]  # the least strength is the best
    assert goes_on == sorted(goes_on)  # and else the one that reaches least
    assert max(stops) < min(goes_on)


def test_the_objective_is_that_of_the_summary(tmp_path):
    (tmp_path / "summary.json").write_text(json.dumps({"recovered_mean": 0.0}))
    assert searched_number(spec_of("dataset=digits"), tmp_path) is None
    assert searched_number(spec_of("dataset=digits", SEARCH), tmp_path) == 3e-5


@pytest.mark.parametrize("strength", [0.0, 0.02])
def test_a_strength_outside_of_the_search_is_refused(strength):
    with pytest.raises(ConfigError, match=r"objective\.strength is .*; expected more than 0"):
        wanted(strength)


@pytest.mark.parametrize("summary", [{}, {"recovered_mean": None}])
def test_a_measure_that_is_not_there_is_named(summary):
    with pytest.raises(ConfigError, match=r"objective\.measure is 'recovered_mean'"):
        wanted(1e-3)(summary)


def test_the_figure_names_the_smallest_noise_that_stops():
    results = pd.DataFrame(
        {
            NOISE: [1e-5, 1e-5, 1e-4, 1e-4, 1e-3, 1e-3],
            "recovered": [1.0, 0.9, 0.1, 0.0, 0.0, 0.0],  # 5 % on average at 1e-4
            "objective.at_most": 0.05,
            "gradient_median": 2e-4,
        }
    )
    assert smallest(results) == pytest.approx((1e-4, 0.5))


@pytest.mark.slow
def test_optuna_finds_noise_that_stops_the_attack(tmp_path, monkeypatch, capfd):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs spear-suite[search]")
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    small = ("n_batches=1", "batch_size=4", "network.width=100", "attack.max_starts=60")
    outcome = spear(
        "experiment=defense_search", "dataset=faces", "hydra.sweeper.n_trials=5", *small
    )
    assert outcome.code == 0, outcome.error
    sweep = tmp_path / "out" / "defense_search"
    best = yaml.safe_load((sweep / "optimization_results.yaml").read_text())
    jobs = [json.loads(path.read_text()) for path in sweep.glob("*/summary.json")]
    noises = [yaml.safe_load(path.read_text())["objective"] for path in sweep.glob("*/config.yaml")]
    assert len(jobs) == len(noises) == 5
    stops = [
        noise["strength"]
        for job, noise in zip(jobs, noises, strict=True)
        if job["recovered_mean"] <= 0.05
    ]
    assert best["best_value"] == best["best_params"][NOISE] == min(stops)
