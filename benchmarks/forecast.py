"""Fits the constants of `spear.inversion.descent.cost` to the recorded batches; prints its errors.

    python -m benchmarks.forecast

A cell is one recorded job of the search by descent on a CPU; its seconds are the median over its
batches. Each other machine has one factor to the seconds of an AMD EPYC: the median over its cells.
`spear plan` measures that of its own machine by a pilot.
"""

import json
import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from scipy.optimize import least_squares

from spear.analysis.records.store import RESULTS, Recorded, collected_folders
from spear.errors import SpearError
from spear.experiments.cli.forecasts import obstacle_of, search_of
from spear.experiments.config.moved import replace_old_targets
from spear.inversion.descent.cost import COSTS, ROUNDS, Search, costs, features, rounds

REFERENCE = "AMD EPYC"
LEFT_OUT = ("ablation", "ablation_pixels")
"""Experiments with parts of the search taken out."""

CENSORED = 3.0
"""Assumed rounds of a search that gave up, as a multiple of those that it ran."""

SINGLE_CLIENT = {"_target_": "spear.client.SingleClient"}
"""Aggregation of the records from before there was a choice."""

SPREAD = 0.3
"""Logarithm of a ratio from which a cell counts less: soft L1 loss."""

NEGLIGIBLE = 1e-3
"""Share of every cell's seconds below which a constant is written as zero."""

RIDGE = 0.1
FOLDS = 10


@dataclass(frozen=True)
class Cell:
    """Recorded job: its settings, which are known beforehand, and its measurements."""

    experiment: str
    cpu: str
    search: Search
    seconds: float
    rounds: float
    gave_up: bool


@dataclass(frozen=True)
class Fit:
    """Constants, and the factor of each machine."""

    costs: np.ndarray
    rounds: np.ndarray
    rates: dict[str, float]

    def seconds(self, cell: Cell) -> float:
        """Return the forecast of a cell."""
        expected = rounds(cell.search, tuple(self.rounds))
        total = float(np.dot(self.costs, costs(cell.search, expected)))
        return self.rates.get(cell.cpu, 1.0) * min(total, cell.search.time_limit or math.inf)


def configuration_of(job: dict[str, Any]) -> DictConfig:
    """Return a recorded job's configuration as it is written today, with the keys added since."""
    config: DictConfig = OmegaConf.create({"aggregation": SINGLE_CLIENT} | job["config"])
    replace_old_targets(config)
    return config


def cells() -> list[Cell]:
    """Return every recorded job of the search by descent on a CPU."""
    found = []
    for folder in collected_folders(RESULTS):
        recorded = Recorded.from_collected(folder)
        rows = recorded.rows()
        for name, job in recorded.jobs.items():
            config, hardware = configuration_of(job), job["summary"].get("hardware") or {}
            details = [json.loads(row.get("details") or "{}") for row in rows[name]]
            counted = [each.get("rounds", 0.0) for each in details]  # of full rank: none
            if folder.name in LEFT_OUT or obstacle_of(config) or not details:
                continue
            statuses = [row["status"] for row in rows[name]]
            try:
                search = search_of(config)
            except SpearError:  # a table whose files, which say how wide it is, are not here
                continue
            found.append(
                Cell(
                    experiment=folder.name,
                    cpu=hardware.get("cpu", ""),
                    search=search,
                    seconds=statistics.median(float(row["seconds"]) for row in rows[name]),
                    rounds=statistics.median(counted),
                    gave_up=statistics.mode(statuses) == "partial",
                )
            )
    return found


def fit(training: list[Cell]) -> Fit:
    """Fit the constants and the factors of the machines.

    Rounds: ridge regression of their logarithms. Costs and factors: see `positive`."""
    searched = [cell for cell in training if cell.rounds > 0]
    known = np.array([features(cell.search) for cell in searched])
    seen = np.log([cell.rounds * (CENSORED if cell.gave_up else 1.0) for cell in searched])
    slopes = np.linalg.solve(known.T @ known + RIDGE * np.eye(known.shape[1]), known.T @ seen)
    work = np.array([costs(cell.search, cell.rounds) for cell in training])
    machines = list(dict.fromkeys([REFERENCE, *(cell.cpu for cell in training)]))
    places = np.array([machines.index(cell.cpu) for cell in training])
    constants, rates = positive(work, np.log([cell.seconds for cell in training]), places)
    return Fit(constants, slopes, dict(zip(machines, rates.tolist(), strict=True)))


def positive(
    works: np.ndarray, seconds: np.ndarray, machines: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return constants above zero and factors that make log(factor works @ constants) log(seconds).

    Args:
        works: factors of the constants, jobs x constants.
        seconds: their logarithms, one a job.
        machines: number of each job's machine; machine 0 has the factor 1.
    """
    scales = works.mean(axis=0)
    shares, n_constants = works / scales, works.shape[1]

    def errors(logarithms: np.ndarray) -> np.ndarray:
        rates = np.concatenate([[0.0], logarithms[n_constants:]])
        return rates[machines] + np.log(shares @ np.exp(logarithms[:n_constants])) - seconds

    others = np.zeros(machines.max())
    starts = [np.full(n_constants, np.median(seconds) - low) for low in (2.0, 4.0)]
    solutions = [
        least_squares(errors, np.concatenate([each, others]), loss="soft_l1", f_scale=SPREAD)
        for each in starts
    ]
    best = min(solutions, key=lambda found: float(found.cost)).x
    constants = np.exp(best[:n_constants]) / scales
    parts = works * constants / (works @ constants)[:, None]
    return (
        np.where(parts.max(axis=0) > NEGLIGIBLE, constants, 0.0),
        np.exp(np.concatenate([[0.0], best[n_constants:]])),
    )


def ratios(fitted: Fit, tested: Iterable[Cell]) -> list[float]:
    """Return measured over forecast seconds."""
    return [cell.seconds / fitted.seconds(cell) for cell in tested]


def left_out(found: list[Cell], group: Callable[[int, Cell], object]) -> list[float]:
    """Return the ratios of each group of cells by a fit to all other groups."""
    groups = [group(i, cell) for i, cell in enumerate(found)]
    ratios_ = []
    for one in dict.fromkeys(groups):
        training = [cell for cell, each in zip(found, groups, strict=True) if each != one]
        tested = [cell for cell, each in zip(found, groups, strict=True) if each == one]
        ratios_ += ratios(fit(training), tested)
    return ratios_


def within(values: list[float], factor: float = 2.0) -> float:
    """Return the share of ratios within a factor."""
    return sum(1 / factor <= value <= factor for value in values) / len(values)


def line(name: str, values: list[float]) -> str:
    """Return a line of the report."""
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return (
        f"{name:42} {within(values):6.1%} within a factor of 2; measured / forecast "
        f"{low:.2f} to {high:.2f} (90 %), median {middle:.2f}"
    )


def main() -> None:
    """Fit, and print the constants and the errors."""
    found = cells()
    fitted = fit(found)
    committed = Fit(np.array(COSTS), np.array(ROUNDS), fitted.rates)
    order = np.random.default_rng(0).permutation(len(found)) % FOLDS
    print(f"{len(found)} cells")
    print(line("committed constants", ratios(committed, found)))
    print(line("fitted now", ratios(fitted, found)))
    print(line(f"cells left out ({FOLDS} parts)", left_out(found, lambda i, _: order[i])))
    print(line("whole experiments left out", left_out(found, lambda _, cell: cell.experiment)))
    print("COSTS =", tuple(float(f"{each:.3g}") for each in fitted.costs))
    print("ROUNDS =", tuple(round(float(each), 3) for each in fitted.rounds))
    low, high = np.quantile(left_out(found, lambda i, _: order[i]), [0.05, 0.95])
    print(f"BAND = ({low:.2f}, {high:.2f})")
    print("rates", {cpu: round(rate, 2) for cpu, rate in fitted.rates.items()})


if __name__ == "__main__":
    main()
