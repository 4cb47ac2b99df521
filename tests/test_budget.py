"""Time budget: what is spent, when it is over, and who hears of progress."""

import pytest

from spear.attack import Progress
from spear.budget import Budget


@pytest.fixture
def clock(monkeypatch):
    """Seconds that tests set."""
    now = [100.0]
    monkeypatch.setattr("spear.budget.time.perf_counter", lambda: now[0])
    return now


def test_it_is_over_after_the_limit_and_not_at_it(clock):
    budget = Budget(2.0)
    assert budget.spent == 0.0
    clock[0] += 2.0
    assert budget.spent == 2.0
    assert not budget.over()
    clock[0] += 0.5
    assert budget.over()


def test_without_a_limit_it_is_never_over(clock):
    budget = Budget()
    clock[0] += 1e9
    assert not budget.over()
    assert budget.spent == 1e9


def test_a_limit_of_zero_is_over_as_soon_as_time_passes(clock):
    budget = Budget(0.0)
    clock[0] += 1e-6
    assert budget.over()


def test_progress_is_passed_on_to_whoever_listens():
    heard: list[Progress] = []
    step = Progress(1, 2, "rounds")
    Budget(progress=heard.append).report(step)
    Budget().report(step)
    assert heard == [step]
