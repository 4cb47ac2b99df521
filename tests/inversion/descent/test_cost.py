"""Forecasts of the search's time: their law, their error on recorded jobs, and `spear plan`."""

import numpy as np
import pytest

from benchmarks.forecast import Fit, cells, fit, ratios, within
from spear.experiments.cli import entry as cli
from spear.experiments.cli.forecasts import table
from spear.experiments.cli.plan import plan
from spear.inversion.descent.cost import BAND, COSTS, ROUNDS, Search, forecast, rounds


@pytest.mark.slow
def test_most_recorded_jobs_take_what_was_forecast():
    """Within a factor of two for 80 % of them, as README says; a pilot gives a machine's rate."""
    found = cells()
    assert len(found) > 300
    committed = Fit(np.array(COSTS), np.array(ROUNDS), fit(found).rates)
    assert within(ratios(committed, found)) == pytest.approx(0.8, abs=0.03)


def test_a_search_gives_up():
    hopeless = Search(b=40, m=50, n=100, most_starts=300, time_limit=1.0)
    assert rounds(hopeless) == 4  # 88 starts each
    assert forecast(hopeless, rate=1e6).seconds == 1.0


def test_full_rank_needs_no_search():
    assert rounds(Search(b=60, m=50, n=100)) == 0


def test_a_slower_machine_takes_longer():
    search = Search(b=8, m=100, n=100)
    slow, fast = forecast(search, 3.0), forecast(search)
    assert slow.seconds == pytest.approx(3 * fast.seconds)
    assert fast.low == pytest.approx(BAND[0] * fast.seconds)
    assert fast.high == pytest.approx(BAND[1] * fast.seconds)


def test_the_sweep_of_an_experiment_is_planned():
    planned = plan(["experiment=scaling", "network.width=100", "n_batches=3"])
    assert [job.search.b for job in planned] == [4, 8, 12, 16, 20, 24, 32, 48, 64, 96]
    assert {job.search.m for job in planned} == {100}
    assert {job.n_batches for job in planned} == {3}


def test_a_job_without_a_forecast_is_named():
    planned = plan(["batch_size=4", "attack=spear_irls,geiping"])
    assert [job.search is None for job in planned] == [False, True]
    said = table(planned, {Search: 1.0})
    assert "no forecast for GradientMatching" in said
    assert "2 jobs" in said
    assert "1 without a forecast" in said


def test_it_is_a_command(monkeypatch, capsys):
    monkeypatch.setattr("spear.inversion.descent.cost.pilot", lambda: 1.0)
    monkeypatch.setattr("sys.argv", ["spear", "plan", "-m", "batch_size=4,8"])
    cli.main()
    assert "for 5 batches of 8" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["spear", "plan", "experiment=nix"])
    with pytest.raises(SystemExit, match="experiment=nix does not exist"):
        cli.main()
