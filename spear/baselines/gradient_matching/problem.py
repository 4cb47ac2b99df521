"""The objective of one update: distance of gradients plus regularisers, at any candidate."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from spear.baselines.gradient_matching.objectives import Objective
from spear.baselines.gradient_matching.regularisers import Regulariser
from spear.baselines.gradient_matching.victim import Victim
from spear.update import Update


@dataclass(frozen=True)
class Value:
    """The objective at a candidate, differentiable.

    Attributes:
        total: what is minimised.
        distance: of the gradients, a part of it.
        terms: the other parts, by the regulariser's name.
        inputs: the candidate (b x domain.shape), if it is not itself a variable.
        targets: its labels, with which the loss compares the outputs.
    """

    total: Tensor
    distance: Tensor
    terms: Mapping[str, Tensor]
    inputs: Tensor | None = None
    targets: Tensor | None = None


class Problem:
    """Maps a candidate to its objective.

    Args:
        update: a copy for this problem alone (`Update.copied`).
        objective: distance of gradients.
        regularisers: by name.

    Raises:
        SpearError: the update lacks something a regulariser needs.
    """

    def __init__(
        self, update: Update, objective: Objective, regularisers: Mapping[str, Regulariser]
    ) -> None:
        self._victim = Victim(update)
        self._distance = objective.prepare(update.gradients)
        self._terms = {name: each.prepare(update) for name, each in regularisers.items()}

    def __call__(self, inputs: Tensor, targets: Tensor) -> Value:
        """The objective.

        Args:
            inputs: b x domain.shape.
            targets: the values that the loss compares the network's outputs with.
        """
        evaluation = self._victim(inputs, targets)
        distance = self._distance(evaluation.gradients)
        terms = {name: term(evaluation) for name, term in self._terms.items()}
        return Value(sum(terms.values(), distance), distance, terms, inputs, targets)
