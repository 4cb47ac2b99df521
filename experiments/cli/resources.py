"""Memory and minutes that a job needs, as a launcher asks for them."""

from spear.experiments.cli.forecasts import Planned, Rates, expected
from spear.inversion.descent.cost import Search
from spear.inversion.descent.rounds import CHUNK_BYTES
from spear.inversion.pair.planned_search import PairSearch

GIB = 2.0**30

PROCESS = 0.7 * GIB
"""Memory of a process that has imported everything, measured."""

COPIES = 3
"""Matrices of the layer's size, in float64, and chunks of starts that are alive together: with
those the largest peaks of descents measured (b = 20 to 256, m = 200 to 2000) are met to 20 %."""

START_MINUTES = 2
"""Minutes for a process to start, to load its data, and to score and record its batches."""


def memory(search: Search | PairSearch) -> float:
    """Return the largest memory of a job in bytes, of searches on a CPU.

    Args:
        search: of each of its batches.
    """
    layer = search.m * search.n * 8
    starts = min(CHUNK_BYTES, search.b**2 * 8 * 8 * search.b)
    return PROCESS + COPIES * (layer + starts)


def request(planned: list[Planned], rates: Rates) -> str:
    """Return the line on what to ask a launcher for, or nothing if no job has a forecast.

    Memory is rounded up to whole GiB, with a quarter more than forecast. Minutes are those within
    which nineteen of twenty jobs end.

    Args:
        planned: the jobs.
        rates: speed of this machine.
    """
    needs = [
        (memory(job.search), expected(job.search, rates).high * job.n_batches)
        for job in planned
        if job.search is not None
    ]
    if not needs:
        return ""
    most, longest = (max(values) for values in zip(*needs, strict=True))
    gib = -int(-1.25 * most // GIB)
    minutes = START_MINUTES - int(-longest // 60)
    return (
        f"enough for each of these jobs: hydra.launcher.mem_gb={gib} "
        f"hydra.launcher.timeout_min={minutes}, with hydra/launcher=submitit_slurm\n"
    )
