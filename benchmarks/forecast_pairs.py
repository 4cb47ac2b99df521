"""Fits the constants of `spear.inversion.pair.cost` to the recorded batches; prints its errors.

    python -m benchmarks.forecast_pairs

A cell is one recorded job of an attack on layer pairs on a CPU; its seconds are the median over its
batches. Each kind of search is fitted by itself: the logarithm of its rounds by ridge regression,
its seconds given the rounds by least squares of their logarithms, with constants above zero. The
machine is that of the records; `spear plan` measures that of its own by a pilot.
"""

import json
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.forecast import (
    CENSORED,
    FOLDS,
    LEFT_OUT,
    RIDGE,
    configuration_of,
    line,
    positive,
    within,
)
from spear.analysis.records.store import RESULTS, Recorded, collected_folders
from spear.experiments.cli.forecasts import entries
from spear.experiments.cli.pair_searches import PAIR, pair_obstacle, pair_search_of
from spear.inversion.pair.cost import FITTED, Constants, features, rounds, total, work
from spear.inversion.pair.planned_search import Kind, PairSearch


@dataclass(frozen=True)
class Cell:
    """Recorded job: its settings, which are known beforehand, and its measurements."""

    experiment: str
    search: PairSearch
    seconds: float
    rounds: float
    gave_up: bool

    @property
    def ratio(self) -> float:
        """Measured over forecast seconds, by the committed constants."""
        return self.ratio_by(FITTED)

    def ratio_by(self, constants: Constants) -> float:
        """Measured over forecast seconds."""
        most = self.search.time_limit or math.inf
        expected = total(self.search, rounds(self.search, constants), constants)
        return self.seconds / min(expected, most)


def cells() -> list[Cell]:
    """Return every recorded job of an attack on layer pairs that `spear plan` would forecast."""
    found = []
    for folder in collected_folders(RESULTS):
        recorded = Recorded.from_collected(folder)
        rows = recorded.rows()
        for name, job in recorded.jobs.items():
            config = configuration_of(job)
            if folder.name in LEFT_OUT or config.attack._target_ != PAIR or pair_obstacle(config):
                continue
            details = [json.loads(row.get("details") or "{}") for row in rows[name]]
            statuses = [row["status"] for row in rows[name]]
            found.append(
                Cell(
                    experiment=folder.name,
                    search=pair_search_of(config, entries(config)),
                    seconds=statistics.median(float(row["seconds"]) for row in rows[name]),
                    rounds=statistics.median(each.get("rounds", 0.0) for each in details),
                    gave_up=statistics.mode(statuses) == "partial",
                )
            )
    return found


def fit(training: list[Cell]) -> Constants:
    """Fit the constants of every kind of search that occurs."""
    kinds = sorted({cell.search.kind for cell in training})
    works = np.array([_factors(cell, kinds) for cell in training])
    seconds, one = np.log([cell.seconds for cell in training]), np.zeros(len(training), int)
    found = positive(works, seconds, one)[0].tolist()
    shared = len(found) - len(kinds)
    return Constants(
        seconds=tuple(found[:shared]),
        per_round=dict(zip(kinds, found[shared:], strict=True)),
        rounds={
            kind: _slopes([cell for cell in training if cell.search.kind is kind]) for kind in kinds
        },
    )


def _factors(cell: Cell, kinds: list[Kind]) -> list[float]:
    """Factors of the constants that all kinds share, and of c_2 of each kind."""
    own = [cell.rounds if kind is cell.search.kind else 0.0 for kind in kinds]
    return [*work(cell.search, cell.rounds), *own]


def _slopes(training: list[Cell]) -> tuple[float, ...]:
    """Coefficients of log(rounds), by ridge regression; jobs that made none say nothing."""
    training = [cell for cell in training if cell.rounds > 0]
    known = np.array([features(cell.search) for cell in training])
    varying = known.std(axis=0) > 0
    varying[0] = True
    seen = np.log([cell.rounds * (CENSORED if cell.gave_up else 1.0) for cell in training])
    slopes = np.zeros(known.shape[1])
    kept = known[:, varying]
    slopes[varying] = np.linalg.solve(kept.T @ kept + RIDGE * np.eye(kept.shape[1]), kept.T @ seen)
    return tuple(slopes.tolist())


def left_out(found: list[Cell], group: Callable[[int, Cell], object]) -> list[float]:
    """Return the ratios of each group of cells by a fit to all other groups."""
    groups = [group(i, cell) for i, cell in enumerate(found)]
    ratios: list[float] = []
    for one in dict.fromkeys(groups):
        fitted = fit([cell for cell, each in zip(found, groups, strict=True) if each != one])
        tested = [cell for cell, each in zip(found, groups, strict=True) if each == one]
        ratios += [cell.ratio_by(fitted) for cell in tested if cell.search.kind in fitted.rounds]
    return ratios


def main() -> None:
    """Fit, and print the constants and the errors."""
    found = cells()
    fitted = fit(found)
    order = np.random.default_rng(0).permutation(len(found)) % FOLDS
    print(f"{len(found)} cells")
    if FITTED.rounds:
        print(line("committed constants", [cell.ratio for cell in found]))
    now = [cell.ratio_by(fitted) for cell in found]
    print(line("fitted now", now))
    print(f"{'':42} {within(now, 3.0):6.1%} within a factor of 3")
    for kind in fitted.rounds:
        of_it = [cell.ratio_by(fitted) for cell in found if cell.search.kind is kind]
        print(line(f"  {kind}, {len(of_it)} cells", of_it))
    print(line(f"cells left out ({FOLDS} parts)", left_out(found, lambda i, _: order[i])))
    by_activation = left_out(found, lambda _, cell: cell.search.activation.name)
    print(line("whole activations left out", by_activation))
    low, high = np.quantile(left_out(found, lambda i, _: order[i]), [0.05, 0.95])
    print(f"BAND = ({low:.2f}, {high:.2f})")
    print("seconds =", tuple(float(f"{each:.3g}") for each in fitted.seconds))
    for kind, each in fitted.per_round.items():
        slopes = tuple(round(one, 3) for one in fitted.rounds[kind])
        print(f"Kind.{kind.name}: per_round {each:.3g}, rounds {slopes}")


if __name__ == "__main__":
    main()
