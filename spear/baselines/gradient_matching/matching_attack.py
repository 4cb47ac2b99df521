"""The frame around every search for inputs that have the shared gradient."""

from abc import abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from spear.attack import ProgressCallback
from spear.budget import Budget
from spear.domain import Domain
from spear.reconstruction import Reconstruction, Status
from spear.update import Update
from spear.whole_update import WholeUpdateAttack


@dataclass(frozen=True)
class Found:
    """The outcome of a search.

    Attributes:
        inputs: b x domain.shape, or b x n.
        status: end of the search.
        details: numbers of it, by name.
        labels: class probabilities of each input (b x K); None if the server was given the labels.
    """

    inputs: Tensor
    status: Status
    details: dict[str, float]
    labels: Tensor | None = None


class MatchingAttack(WholeUpdateAttack):
    """Base of the attacks that compare the gradients of candidates with the shared ones.

    What they find is an estimate, never a proof. An update of zeros is answered without a search.

    Attributes:
        time_limit: seconds per batch; None for no limit.
        device: where to compute.
        precision: in which gradients are compared; None for the one in which the client computed.
    """

    time_limit: float | None
    device: str
    precision: torch.dtype | None = None

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`; `check_domain` says what it raises besides.

        Raises:
            VictimError: the network's outputs depend on chance or on the rest of a batch, or it
                takes tokens.
        """
        super().check(network, domain)
        self.check_domain(domain)

    def check_domain(self, domain: Domain) -> None:
        """Refuse, before any batch, inputs that the attack cannot find; all are fine unless told.

        Args:
            domain: of the network's inputs.
        """

    def __call__(
        self, observation: Update, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`; `search` says what `details` has and what it raises."""
        budget = Budget(self.time_limit, progress)
        if observation.is_zero:
            return Reconstruction.empty(*observation.dimensions(None), Status.ZERO_GRADIENT)
        found = self.search(observation.copied(self.device, self.precision), seed, budget)
        inputs = found.inputs.flatten(1).cpu()
        result = Reconstruction.estimate(inputs, budget.spent, found.status, found.details)
        return replace(result, labels=found.labels)

    @abstractmethod
    def search(self, update: Update, seed: int, budget: Budget) -> Found:
        """Search for the batch behind an update.

        Args:
            update: a copy for this search alone, not of zeros.
            seed: of all random numbers.
            budget: what the attack may take.
        """
