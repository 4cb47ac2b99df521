"""Forecasts of `spear plan`: the expected time of each job, by the size of its searches."""

from dataclasses import dataclass
from math import prod

from hydra.utils import get_object
from omegaconf import DictConfig

from spear.auditing.explain import duration
from spear.errors import SpearError
from spear.experiments.config.build import build
from spear.inversion.descent.cost import Search, forecast

DESCENT = "spear.inversion.SpearIrls"
TRAINED = "spear.networks.trained_fcnn"
FCNN = ("spear.networks.fcnn", TRAINED)
SINGLE_GRADIENT = "spear.client.SingleGradient"


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
    search: Search | None
    n_batches: int
    obstacle: str = ""


def planned(name: str, config: DictConfig) -> Planned:
    """Return what is known of a job before it starts.

    Args:
        name: the overrides that define it.
        config: its configuration.
    """
    obstacle, search = obstacle_of(config), None
    if not obstacle:
        try:
            search = search_of(config)
        except SpearError as error:
            obstacle = str(error).rstrip(".")
    return Planned(name, search, config.n_batches, obstacle)


def obstacle_of(config: DictConfig) -> str:
    """Return the reason that there is no forecast for a job, or an empty string."""
    if config.attack._target_ != DESCENT:
        return f"no forecast for {config.attack._target_.rpartition('.')[2]}"
    if config.network._target_ not in FCNN:
        return f"no forecast for {config.network._target_.rpartition('.')[2]}"
    if config.device not in ("auto", "cpu"):
        return f"no forecast for device={config.device}"
    return ""


def search_of(config: DictConfig) -> Search:
    """Return the size and settings of a job's searches, from its configuration alone.

    Raises:
        SpearError: the data set cannot be loaded, and only its files tell the size of an input.
    """
    attack, network, defense = config.attack, config.network, config.defense
    noise = (defense.get(key, 0.0) for key in ("noise_std", "noise_multiplier"))
    return Search(
        b=config.batch_size,
        m=network.width,
        n=_entries(config) if attack.layer == 1 else network.width,
        pixels=config.dataset.get("normalize") is False,
        steps=network.steps if network._target_ == TRAINED else 0,
        noisy=any(noise) or config.fedavg._target_ != SINGLE_GRADIENT,
        most_starts=attack.max_starts,
        time_limit=attack.time_limit,
    )


def _entries(config: DictConfig) -> int:
    resolution = config.dataset.get("resolution")
    if resolution:
        return 3 * int(resolution) ** 2
    shape = getattr(get_object(config.dataset._target_), "input_shape", None)
    return prod(shape if shape is not None else build(config, "dataset").input_shape)


def table(planned: list[Planned], rate: float) -> str:
    """Return a line for each job, and one for their sum.

    Args:
        planned: the jobs.
        rate: speed of this machine (`spear.inversion.descent.cost.pilot`).
    """
    lines, total = [], 0.0
    for job in planned:
        if job.search is None:
            lines.append(f"{job.name}: {job.obstacle}")
            continue
        expected = forecast(job.search, rate)
        seconds = [each * job.n_batches for each in (expected.seconds, expected.low, expected.high)]
        middle, low, high = map(duration, seconds)
        total += seconds[0]
        lines.append(
            f"{job.name}: {middle} ({low} to {high}) for {job.n_batches} batches of {job.search.b}"
        )
    missing = sum(job.search is None for job in planned)
    beside = f", and {missing} without a forecast" if missing else ""
    jobs = "1 job" if len(planned) == 1 else f"{len(planned)} jobs"
    lines.append(
        f"{jobs}: {total / 60:.2g} minutes of attacks expected{beside}; "
        "loading data, training and scoring are not included"
    )
    return "\n".join(lines) + "\n"
