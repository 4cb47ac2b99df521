"""The passive attack of the peeling paper on a fully connected first layer."""

import torch
from torch import Tensor, nn

from spear.attack import Progress, ProgressCallback
from spear.baselines.lt_peeling.downstream import Downstream
from spear.baselines.lt_peeling.peeling import Peeling, Tolerances, peeled
from spear.budget import Budget
from spear.domain import Domain
from spear.errors import VictimError
from spear.inversion.directions.of_inputs import judged
from spear.inversion.factors.factorization import decompose
from spear.inversion.factors.rank import check_rank
from spear.inversion.labels.last_layer import check_mean_cross_entropy
from spear.layers import attackable, linear_layers
from spear.reconstruction import Reconstruction, Status
from spear.settings import check_above_zero, check_least, check_run
from spear.update import Update
from spear.whole_update import WholeUpdateAttack


class LtPeeling(WholeUpdateAttack):
    """Peels samples off the first layer's gradient, as a decoder of LT codes peels a message.

    Shariati and Meybodi, "Cascading Gradient Inversion via LT-Code Inspired Peeling" (arXiv
    2609.09659), Algorithm 1, for an honest-but-curious server. The ratio dL/dW_j / dL/dbias_j is an
    input if neuron j fires for it alone. Such a candidate is certified by the loss: for some label,
    its own gradient by the pre-activation j explains dL/dbias_j. What is certified is subtracted
    with that label, which leaves further neurons with one sample, and so on.

    The server is told the batch size, and that the loss is the mean cross-entropy of the network's
    outputs; it finds the labels. The tolerances are absolute and for clients that compute in
    float64, as published; those of float32 clients need larger ones, which are ours to choose.

    Ours: nothing in the search; of more certified samples than B, those that explain most are
    returned. Their certificate does not prove a batch. The result is `exact` only if all inputs are
    there and the ReLU pattern proves them (Definition 4.1); otherwise it is `estimated` or
    `partial`, with zeros for the inputs that are missing.

    Args:
        batch_size: B, which divides the loss; None to take it from the singular values of the
            gradient, which is ours.
        tolerances: of ratios, certificate and copies; the authors' unless given.
        max_rounds: rounds of peeling at most, as published.
        time_limit: seconds per batch after which the samples so far are returned; None for no
            limit. A round is finished first.
        device: where to compute, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
    """

    given_labels = False

    def __init__(
        self,
        batch_size: int | None = None,
        tolerances: Tolerances | None = None,
        max_rounds: int = 30,
        time_limit: float | None = None,
        device: str = "cpu",
    ) -> None:
        check_rank(batch_size)
        check_least(1, max_rounds=max_rounds)
        self.tolerances = tolerances or Tolerances()
        check_above_zero(**vars(self.tolerances))
        check_run(time_limit, device)
        self.batch_size = batch_size
        self.max_rounds = max_rounds
        self.time_limit = time_limit
        self.device = device

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`.

        Raises:
            LayerError: the first linear layer has no bias, or no ReLU behind it.
            VictimError: see `spear.whole_update.WholeUpdateAttack`; or the first linear layer does
                not receive the network's inputs.
        """
        super().check(network, domain)
        first = attackable(linear_layers(network, domain.shape), 1)
        n, entries = first.module.in_features, torch.Size(domain.shape).numel()
        if n != entries or first.calls > 1:
            raise VictimError(
                f"the network's first linear layer ({first.name}) takes {n} numbers, but an input "
                f"has {entries}; this attack needs a linear layer that receives the whole input "
                "once, as network=fcnn has."
            )

    def __call__(
        self, observation: Update, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`. Nothing in it is random.

        `details` has the samples that were peeled off and the rounds that found any. `labels` are
        those that the certificate found.

        Raises:
            VictimError: the loss is not the mean cross-entropy.
        """
        check_mean_cross_entropy(observation.loss)
        budget = Budget(self.time_limit, progress)
        update = observation.copied(self.device, torch.float64)
        seen = update.observe(1)
        b = self.batch_size or _rank(seen.weight_gradient)
        if isinstance(b, Status):
            return Reconstruction.empty(0, seen.n, b, budget.spent)
        downstream = Downstream.of(update)
        peeling = Peeling(downstream, seen.weight_gradient, seen.bias_gradient, b, self.tolerances)
        late = peeled(
            peeling,
            self.max_rounds,
            budget.over,
            lambda found: budget.report(Progress.directions(min(found, b), b)),
        )
        inputs, labels = peeling.best()
        classes = downstream.logits(seen.bias[None]).shape[1]
        details = {"peeled": float(len(peeling.inputs)), "rounds": float(peeling.rounds)}
        return judged(
            observation.observe(1).to(self.device),
            inputs,
            budget,
            rank=b,
            device=self.device,
            otherwise=Status.TIMED_OUT if late else Status.PARTIAL,
            details=details,
            labels=nn.functional.one_hot(labels, classes).to(torch.float64),
        )


def _rank(gradient: Tensor) -> int | Status:
    found = decompose(gradient)
    return found if isinstance(found, Status) else found.b
