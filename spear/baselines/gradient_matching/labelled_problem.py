"""The objective of one update, with the labels that an attack is given or finds."""

import torch
from torch import Tensor

from spear.baselines.gradient_matching.checks import check_derivatives, check_labels, outputs
from spear.baselines.gradient_matching.descent import Best
from spear.baselines.gradient_matching.labels import Labels, Targets
from spear.baselines.gradient_matching.objectives import Objective
from spear.baselines.gradient_matching.problem import Problem, Value
from spear.baselines.gradient_matching.regularisers import Regulariser
from spear.data.augmentation import class_probabilities
from spear.update import Update


class LabelledProblem:
    """Maps inputs of the network to their objective; the labels are drawn anew at each restart.

    Args:
        update: a copy for this problem alone (`Update.copied`).
        objective: distance of gradients.
        regularisers: further terms by name.
        labels: how the attack comes by them.
        seed: of labels and of what else is drawn by `random`.

    Raises:
        VictimError: the network does not take the domain's shape.
        InvalidObservation: labels or another part is missing.

    Attributes:
        update: that copy.
        like: precision and device of the search.
        random: generator of all that is drawn, on the CPU.
        targets: labels of the candidates, from the first `restart` on.
    """

    def __init__(
        self,
        update: Update,
        objective: Objective,
        regularisers: dict[str, Regulariser],
        labels: Labels,
        seed: int,
    ) -> None:
        self.update = update
        self.like = next(iter(update.gradients.values()))
        self.random = torch.Generator().manual_seed(seed)
        self.targets: Targets
        self._labels = labels
        self._classes = outputs(update.network, self.like.new_zeros(1, *update.domain.shape))
        if labels.given:
            check_labels(update.labels, self._classes.shape[-1])
        self._problem = Problem(update, objective, regularisers)

    def restart(self) -> Targets:
        """Begin a restart: its labels."""
        self.targets = self._labels.start(self.update, self._classes, self.random)
        for variable in self.targets.variables:
            variable.requires_grad_()
        return self.targets

    def check_derivatives(self, inputs: Tensor) -> None:
        """Refuse a network that cannot be differentiated twice at inputs (b x domain.shape).

        Raises:
            VictimError: naming its module.
        """
        first = inputs.detach().requires_grad_()
        check_derivatives(self.update.network, first, lambda: self(first).total)

    def __call__(self, inputs: Tensor) -> Value:
        """The objective at inputs of the network (b x domain.shape)."""
        return self._problem(inputs, self.targets.current())

    def recovered_labels(self, best: Best) -> Tensor | None:
        """Return the class probabilities of a candidate's labels (b x K), float64 on the CPU.

        None if the server was given the labels.
        """
        if self._labels.given or best.targets is None:
            return None
        return class_probabilities(best.targets, self._classes.shape[-1]).double().cpu()
