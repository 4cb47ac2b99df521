"""The settings of searches whose candidates have labels, given or found."""

from collections.abc import Mapping

from spear.baselines.gradient_matching.labels import GivenLabels, Labels
from spear.baselines.gradient_matching.matching_attack import MatchingAttack
from spear.baselines.gradient_matching.objectives import Objective
from spear.baselines.gradient_matching.regularisers import Regulariser, check_terms
from spear.domain import Domain
from spear.settings import check_run


class LabelledAttack(MatchingAttack):
    """Base of the attacks on a `LabelledProblem`.

    Args:
        objective: distance of gradients.
        regularisers: further terms of the objective by name.
        labels: how the attack comes by them; `GivenLabels` unless given.
        time_limit: seconds per batch after which the best so far is returned; None for no limit.
        device: where to compute, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self,
        objective: Objective,
        regularisers: Mapping[str, Regulariser],
        labels: Labels | None,
        time_limit: float | None,
        device: str,
    ) -> None:
        check_run(time_limit, device)
        self.objective = objective
        self.regularisers = dict(regularisers)
        self.labels = labels or GivenLabels()
        self.time_limit = time_limit
        self.device = device

    @property
    def given_labels(self) -> bool:
        """Implement `spear.attack.Attack`."""
        return self.labels.given

    def check_domain(self, domain: Domain) -> None:
        """Implement `MatchingAttack.check_domain`.

        Raises:
            InvalidObservation: a regulariser is for images, and the inputs are none.
        """
        check_terms(self.regularisers, domain)
