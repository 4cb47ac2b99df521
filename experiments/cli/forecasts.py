"""Forecasts of `spear plan`: the expected time of each job, by the size of its searches."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from hydra.utils import get_object
from omegaconf import DictConfig

from spear.auditing.explain import duration
from spear.errors import SpearError
from spear.experiments.cli.defended_plan import defended
from spear.experiments.cli.first_tried import DESCENT, FCNN, TRAINED, first_tried, is_noisy
from spear.experiments.cli.pair_searches import (
    NETWORK,
    PAIR,
    pair_obstacle,
    pair_search_of,
)
from spear.experiments.config.build import build
from spear.experiments.config.schema import joint_size
from spear.experiments.config.spec import check_keys
from spear.inversion.descent import cost
from spear.inversion.descent.cost import Search, TimeForecast
from spear.inversion.pair import cost as pair_cost
from spear.inversion.pair.pilot import pilot as pair_pilot
from spear.inversion.pair.planned_search import PairSearch
from spear.settings import check_least

PRUNING = "spear.client.defenses.Sparsification"

Rates = Mapping[type[Search] | type[PairSearch], float]
"""Seconds of this machine for one of that on which a kind of search was measured."""


@dataclass(frozen=True)
class Planned:
    """A job of a plan.

    Attributes:
        name: the overrides that define the job.
        search: the size and settings of each of its searches; None if there is no forecast.
        n_batches: number of its batches.
        obstacle: reason that there is no forecast, or empty.
    """

    name: str
    search: Search | PairSearch | None
    n_batches: int
    obstacle: str = ""


def planned(name: str, config: DictConfig) -> Planned:
    """Return what is known of a job before it starts.

    Args:
        name: the overrides that define it.
        config: its configuration.

    Raises:
        ConfigError: a key of the job is out of range, which the job would refuse, too.
    """
    check_keys(config)
    if config.network.get("width") is not None:
        check_least(1, width=config.network.width)
    if config.attack.get("time_limit") is not None:
        check_least(0, time_limit=config.attack.time_limit)
    search: Search | PairSearch | None = None
    pair = first_tried(config) in (PAIR, NETWORK)
    obstacle = _of_device(config) or pair_obstacle(config) if pair else obstacle_of(config)
    if not obstacle:
        try:
            obstacle = defended(config)
            if not obstacle:
                search = pair_search_of(config, entries(config)) if pair else search_of(config)
        except SpearError as error:
            obstacle = str(error).rstrip(".")
    return Planned(name, search, config.n_batches, obstacle)


def obstacle_of(config: DictConfig) -> str:
    """Return the reason that there is no forecast for a job, or an empty string."""
    if first_tried(config) != DESCENT:
        return f"no forecast for {config.attack._target_.rpartition('.')[2]}"
    if config.network._target_ not in FCNN:
        return f"no forecast for {config.network._target_.rpartition('.')[2]}"
    if config.defense._target_ == PRUNING:
        return "no forecast for pruned gradients"
    return _of_device(config)


def _of_device(config: DictConfig) -> str:
    known = config.device in ("auto", "cpu")
    return "" if known else f"no forecast for device={config.device}"


def search_of(config: DictConfig) -> Search:
    """Return the size and settings of a job's searches, from its configuration alone.

    Raises:
        SpearError: the data set cannot be loaded, and only its files tell the size of an input.
    """
    attack, network = config.attack, config.network
    return Search(
        b=joint_size(config.batch_size, config.aggregation),
        m=network.width,
        n=entries(config) if attack.layer == 1 else network.width,
        pixels=config.dataset.get("normalize") is False,
        steps=network.steps if network._target_ == TRAINED else 0,
        noisy=is_noisy(config),
        most_starts=attack.max_starts,
        time_limit=attack.time_limit,
    )


def entries(config: DictConfig) -> int:
    """Return the entries of one of the network's inputs.

    Raises:
        SpearError: the data set cannot be loaded, and only its files tell.
    """
    resolution = config.dataset.get("resolution")
    if resolution:
        return 3 * int(resolution) ** 2
    shape = getattr(get_object(config.dataset._target_), "input_shape", None)
    return prod(shape if shape is not None else build(config, "dataset").input_shape)


def rates(planned: list[Planned]) -> Rates:
    """Measure this machine, for a second for each kind of search that is planned."""
    pilots = {Search: cost.pilot, PairSearch: pair_pilot}
    kinds = {type(job.search) for job in planned if job.search is not None}
    return {kind: pilot() for kind, pilot in pilots.items() if kind in kinds}


def expected(search: Search | PairSearch, rates: Rates) -> TimeForecast:
    """Forecast a search of either kind on this machine."""
    if isinstance(search, PairSearch):
        return pair_cost.forecast(search, rates[PairSearch])
    return cost.forecast(search, rates[Search])


def table(planned: list[Planned], rates: Rates) -> str:
    """Return a line for each job, and one for their sum.

    Args:
        planned: the jobs.
        rates: speed of this machine.
    """
    lines, total = [], 0.0
    for job in planned:
        if job.search is None:
            lines.append(f"{job.name}: {job.obstacle}")
            continue
        each = expected(job.search, rates)
        seconds = [one * job.n_batches for one in (each.seconds, each.low, each.high)]
        middle, low, high = map(duration, seconds)
        total += seconds[0]
        lines.append(
            f"{job.name}: {middle} ({low} to {high}) for {job.n_batches} batches of {job.search.b}"
            + _doubt(job.search)
        )
    missing = sum(job.search is None for job in planned)
    jobs = "1 job" if len(planned) == 1 else f"{len(planned)} jobs"
    if missing == len(planned):
        lines.append(f"{jobs}: no forecast of the time")
    else:
        beside = f", and {missing} without a forecast" if missing else ""
        lines.append(
            f"{jobs}: {duration(total)} of attacks expected{beside}; "
            "loading data, training and scoring are not included"
        )
    return "\n".join(lines) + "\n"


def _doubt(search: Search | PairSearch) -> str:
    warning = search.warning if isinstance(search, PairSearch) else ""
    return f"; {warning}" if warning else ""
