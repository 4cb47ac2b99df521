"""TabLeak: gradient matching for rows of a table, by an ensemble of relaxed reconstructions."""

import torch
from torch import Tensor

from spear.baselines.gradient_matching.checks import (
    check_derivatives,
    check_labels,
    never_finite,
    outputs,
)
from spear.baselines.gradient_matching.descent import Descent, Start
from spear.baselines.gradient_matching.matching_attack import Found, MatchingAttack
from spear.baselines.gradient_matching.objectives import CosineDistance, Objective
from spear.baselines.gradient_matching.optimisers import Adam, Optimiser, Sign
from spear.baselines.gradient_matching.problem import Value
from spear.baselines.gradient_matching.schedules import Constant
from spear.baselines.tableak.batched import BatchedProblem
from spear.baselines.tableak.pooling import pooled
from spear.baselines.tableak.relaxation import Relaxation
from spear.budget import Budget
from spear.data.tabular import Ordinal, TableDomain
from spear.domain import Domain
from spear.errors import InvalidObservation
from spear.settings import check_above_zero, check_least, check_run
from spear.update import Update


class TabLeak(MatchingAttack):
    """TabLeak (Vero et al., ICML 2023), which the paper compares with on ADULT (Table 2).

    All restarts descend at once, each from its own random batch. The one whose gradient, after
    projection to categories, fits best gives the order of the rows; the others are matched to it,
    and the median over all of them is projected. It is given the labels, and knows the table's
    features, their ranges and deviations (`spear.data.tabular.TableDomain`).

    Args:
        objective: distance of gradients; `CosineDistance` unless given.
        optimiser: how the candidates move; Adam on signs with a constant rate of 0.06 unless given.
        temperature: of softmax and sigmoid (`Relaxation`).
        iterations: of every restart.
        restarts: how many.
        time_limit: seconds per batch; the candidates found by then are pooled. None for no limit.
        device: where to compute, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
    """

    given_labels = True

    def __init__(
        self,
        objective: Objective | None = None,
        optimiser: Optimiser | None = None,
        temperature: float = 1.0,
        iterations: int = 1500,
        restarts: int = 30,
        time_limit: float | None = None,
        device: str = "cpu",
    ) -> None:
        check_least(1, iterations=iterations, restarts=restarts)
        check_above_zero(temperature=temperature)
        self.objective = objective or CosineDistance()
        self.optimiser = optimiser or Adam(0.06, schedule=Constant(), transform=Sign())
        self.temperature = temperature
        self.iterations = iterations
        self.restarts = restarts
        check_run(time_limit, device)
        self.time_limit = time_limit
        self.device = device

    def check_domain(self, domain: Domain) -> None:
        """Implement `MatchingAttack.check_domain`.

        Raises:
            InvalidObservation: inputs are not rows of a table with one-hot categories.
        """
        _table(domain)

    def search(self, update: Update, seed: int, budget: Budget) -> Found:
        """Descend with all restarts at once, and pool them.

        `details` has the distance of gradients of the best restart and of the pooled rows, both
        projected, the restarts pooled and the iterations of each. If interrupted from the
        keyboard, or out of time, it pools the results of the restarts so far.

        Raises:
            VictimError: the network cannot be differentiated twice, does not take the domain's
                shape, or its gradients are finite for no restart.
            InvalidObservation: as of `observe`, or the labels are missing.
        """
        ensemble = _Ensemble(self, update, seed)
        descent = Descent(self.iterations, 1, budget)
        status = descent(ensemble.start)
        rows, details = ensemble.pooled(descent.best.inputs)
        details["iterations"] = float(descent.done)
        return Found(rows, status, details)


class _Ensemble:
    """The restarts on one update: R candidates in one tensor of free variables (R x b x n).

    Args:
        attack: its settings.
        update: a copy for this search alone.
        seed: of the first candidates.
    """

    def __init__(self, attack: TabLeak, update: Update, seed: int) -> None:
        self._attack = attack
        self._domain = _table(update.domain)
        self._relaxed = Relaxation(self._domain, attack.temperature)
        generator = torch.Generator().manual_seed(seed)
        like = next(iter(update.gradients.values()))
        classes = outputs(update.network, like.new_zeros(1, *self._domain.shape))
        labels = check_labels(update.labels, classes.shape[-1])
        self._problem = BatchedProblem(update, attack.objective, labels)
        shape = (attack.restarts, len(labels), *self._domain.shape)
        self._free = (2 * torch.rand(shape, generator=generator) - 1).to(like).requires_grad_()
        first = self._relaxed(self._free[0]).detach().requires_grad_()
        check_derivatives(update.network, first, lambda: self._problem(first[None]).sum())

    def start(self) -> Start:
        """Return the common start of all restarts, for `Descent`."""
        step = self._attack.optimiser.start([self._free], self._attack.iterations)

        def evaluate() -> Value:
            # A restart that is not finite stays so, but must not end the others.
            distances = self._problem(self._relaxed(self._free))
            return Value(distances.nansum(), distances.detach().nanmean(), {})

        return Start(self._free, [], evaluate, step)

    def pooled(self, free: Tensor | None) -> tuple[Tensor, dict[str, float]]:
        """The rows (b x n) that R candidates agree on, and how well they fit.

        Raises:
            VictimError: the distance of gradients is finite for none of them.
        """
        if free is not None:
            with torch.no_grad():
                ensemble = self._relaxed(free)
                fits = self._problem(self._relaxed.projected(ensemble))
                finite = fits.isfinite() & ensemble.isfinite().flatten(1).all(dim=1)
        if free is None or not finite.any():
            raise never_finite("TabLeak")
        ensemble, fits = ensemble[finite], fits[finite]
        with torch.no_grad():
            rows = pooled(ensemble, int(fits.argmin()), self._domain)
            rows = self._relaxed.projected(rows)
            details = {
                "distance": fits.min().item(),
                "distance_pooled": self._problem(rows[None]).item(),
                "restarts": float(len(fits)),
            }
        return rows, details


def _table(domain: Domain) -> TableDomain:
    """Return the description of the table.

    Raises:
        InvalidObservation: there is no table, or its categories are not one-hot.
    """
    if not isinstance(domain, TableDomain):
        raise InvalidObservation(
            f"the network's inputs, of shape {domain.shape}, are no rows of a table, which TabLeak "
            "needs; choose a tabular data set, such as Adult (dataset=adult), or another attack."
        )
    ordinal = [name for name, each in domain.features.items() if isinstance(each, Ordinal)]
    if ordinal:
        raise InvalidObservation(
            f"the categories of {ordinal[0]!r} are one number, but TabLeak needs an entry for each "
            "category; choose encoding=one_hot of the data set."
        )
    return domain
