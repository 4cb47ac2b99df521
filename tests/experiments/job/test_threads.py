"""A job's number of threads is its own."""

import os

import pytest
import torch

from spear.experiments.job.threads import threads


@pytest.mark.parametrize("limit", [1, 2, None])
def test_after_a_job_torch_has_as_many_threads_as_before(limit):
    before = torch.get_num_threads()
    with threads(limit):
        assert torch.get_num_threads() == (limit or os.cpu_count())
    assert torch.get_num_threads() == before


def test_it_is_so_after_a_job_that_fails():
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), threads(before + 1):
        raise ZeroDivisionError
    assert torch.get_num_threads() == before
