"""How many CPU threads a job's linear algebra may use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def threads(limit: int | None) -> Iterator[None]:
    """At most so many within, in torch and in the BLAS of numpy and scipy; None: one a core.

    Jobs side by side then do not fight for cores, and sums are in the same order wherever a job
    runs, so that every launcher gives the same bits.
    """
    count = limit or os.cpu_count() or 1
    torch.set_num_threads(count)
    with threadpool_limits(count):
        yield
