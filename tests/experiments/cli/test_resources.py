"""What a launcher is asked for: memory as measured, and time for the longest job."""

import pytest

from spear.errors import ConfigError
from spear.experiments.cli.forecasts import Planned, expected
from spear.experiments.cli.plan import plan
from spear.experiments.cli.resources import GIB, memory, request
from spear.inversion.descent.cost import Search

SAME = {Search: 1.0}


@pytest.mark.parametrize(
    ("b", "m", "n", "peak"),
    [(20, 200, 3072, 0.73), (256, 1000, 3072, 1.30), (20, 2000, 12288, 1.16)],
)
def test_memory_is_the_measured_peak_or_little_more(b, m, n, peak):
    """Peaks of processes that ran the descent on a gradient of this size."""
    assert 0.8 * peak < memory(Search(b, m, n)) / GIB < 1.25 * peak


def test_the_largest_job_decides():
    small, large = Search(8, 200, 3072), Search(20, 2000, 12288, time_limit=60.0)
    jobs = [
        Planned("a", small, 100),
        Planned("b", large, 30),
        Planned("c", None, 10, "no forecast"),
    ]
    line = request(jobs, SAME)
    longest = max(expected(job.search, SAME).high * job.n_batches for job in jobs[:2])
    minutes = int(line.partition("timeout_min=")[2].partition(",")[0])
    assert longest / 60 + 2 <= minutes < longest / 60 + 3
    assert "mem_gb=2 " in line
    assert request([Planned("c", None, 10, "no forecast")], SAME) == ""


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("batch_size=0", "'batch_size' is 0"),
        ("n_batches=0", "'n_batches' is 0"),
        ("network.width=-3", "width is -3"),
        ("attack.time_limit=-1", "time_limit is -1"),
    ],
)
def test_sizes_that_a_job_would_refuse_are_refused(override, said):
    with pytest.raises(ConfigError, match=said):
        plan(["dataset=digits", override])
