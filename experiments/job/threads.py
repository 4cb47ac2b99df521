"""Limit on the CPU threads of a job's linear algebra."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def threads(limit: int | None) -> Iterator[None]:
    """Limit the threads of torch and of numpy's and scipy's BLAS within the context.

    Parallel jobs then do not compete for cores. Sums are taken in the same order wherever a job
    runs, so that every launcher gives the same bits. The limits before are restored at the end.

    Args:
        limit: number of threads; None for one per core.
    """
    count, before = limit or os.cpu_count() or 1, torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(before)
