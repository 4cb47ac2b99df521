"""How many CPU threads a job's linear algebra may use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def threads(limit: int | None) -> Iterator[None]:
    """Limit threads within the context, in torch and in the BLAS of numpy and scipy.

    Jobs side by side then do not fight for cores, and sums are in the same order wherever a job
    runs, so that every launcher gives the same bits. Afterwards it is as it was before.

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
