"""Exact inversion of the first layer's pruned gradient."""

import math

import torch
from torch import Tensor, nn

from spear.attack import ProgressCallback
from spear.budget import Budget
from spear.domain import Domain
from spear.inversion.completion.completed import ROUNDINGS, Completed, complete
from spear.inversion.descent.attack import SpearIrls
from spear.layers import Sparsity, attackable, linear_layers
from spear.observation import Observation
from spear.reconstruction import RESTS_ON_BIASES, Reconstruction, Status
from spear.settings import check_time_limit
from spear.transformer import check_takes_numbers
from spear.update import Update, check_update

FIRST = 1
"""Number of the attacked layer, whose inputs are the network's."""

OPEN_STARTS = 30
"""Starts for each input if some of its entries stay open."""


class SpearPruned:
    """Completes a gradient from the entries that pruning left, then inverts it by descent.

    Pruning (Zhu et al., NeurIPS 2019), top-k and random sparsification set entries of the gradient
    to zero. Those left determine the others as long as they are enough for its low rank.

    `exact` takes a completed gradient that determines every input entry, the descent's own proof
    on it, and inputs that explain all entries left to their rounding. Rows and columns
    with too few entries left stay open. An open entry of the inputs is estimated: what was removed
    is small. The result is `estimated` then, and `details` has their number as `open`.

    Args:
        time_limit: seconds per batch after which the completion, or the descent after it, gives up;
            None for no limit.

    Raises:
        ConfigError: the time limit is not positive.
    """

    given_labels = False
    layer = None

    def __init__(self, time_limit: float | None = 60.0) -> None:
        check_time_limit(time_limit)
        self.time_limit = time_limit

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`.

        Raises:
            LayerError: no ReLU follows the first linear layer, or there is none.
            VictimError: the network does not take inputs of the domain's shape.
        """
        check_takes_numbers(network)
        attackable(linear_layers(network, domain.shape), FIRST, Sparsity.GRADIENT)

    def observe(self, update: Update) -> Observation:
        """Return the first layer's part of the update.

        Raises:
            LayerError, InvalidObservation: see `Update.observe`.
        """
        check_update(update)
        return update.observe(FIRST, Sparsity.GRADIENT)

    def __call__(
        self, observation: Observation, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`.

        `details` has `left`, the share of entries that are not zero; `open`, input entries that
        they do not determine; `untold`, neurons of which they do not tell whether an input is
        missing; `surplus`, entries left for each unknown; and `residual` of the
        result at them, relative to their norm.
        """
        budget = Budget(self.time_limit, progress)
        gradient = torch.cat(
            [observation.weight_gradient, observation.bias_gradient.unsqueeze(1)], dim=1
        )
        if not bool(gradient.any()):
            return Reconstruction.empty(
                observation.m, observation.n, Status.ZERO_GRADIENT, budget.spent
            )
        left = self._left(gradient)
        completed = complete(left, budget=budget)
        if completed is None or not bool(completed.columns[-1]):
            status = Status.TIMED_OUT if budget.over() else Status.FULL_RANK
            return Reconstruction.empty(observation.m, observation.n, status, budget.spent)
        inner = SpearIrls(FIRST, _time_left(budget), _starts(completed), rank=completed.rank)
        found = inner(_determined(observation, completed), seed=seed, progress=progress)
        against = self._against(found, completed, gradient)
        return _whole(found, completed, observation, left, budget, against)

    def _left(self, gradient: Tensor) -> Tensor:
        """The gradient with 0 for each entry that says nothing of its own value."""
        return gradient

    def _against(self, found: Reconstruction, completed: Completed, gradient: Tensor) -> int:
        """Number of other entries that the inputs found contradict."""
        return 0


def _starts(completed: Completed) -> float:
    """Starts of the descent: entries that are open keep a result from being exact in any time."""
    return 1e6 if bool(completed.columns.all()) else OPEN_STARTS * completed.rank


def _time_left(budget: Budget) -> float | None:
    return None if budget.limit is None else max(budget.limit - budget.spent, 1e-3)


def _determined(observation: Observation, completed: Completed) -> Observation:
    """The layer's determined neurons, with the completed gradient in its precision."""
    rows = completed.rows
    gradient = completed.matrix[rows].to(observation.weight_gradient.dtype)
    return Observation(
        observation.weight[rows], observation.bias[rows], gradient[:, :-1], gradient[:, -1]
    )


def _whole(
    found: Reconstruction,
    completed: Completed,
    observation: Observation,
    gradient: Tensor,
    budget: Budget,
    against: int,
) -> Reconstruction:
    """The result without the factor dL/dZ, which covers the determined neurons alone."""
    inputs = found.inputs
    unknown = int((~completed.columns).sum())
    residual = _residual(found, completed, gradient)
    untold = unexplained(inputs, completed, observation, gradient) + against
    details = {name: each for name, each in found.details.items() if name == RESTS_ON_BIASES}
    details |= {
        "left": float((gradient != 0).double().mean()),
        "open": float(unknown),
        "untold": float(untold),
        "surplus": completed.surplus,
        "residual": residual,
    }
    return Reconstruction(
        inputs=inputs,
        activation_gradients=inputs.new_zeros(0, len(inputs)),
        disaggregation=inputs.new_zeros(0, 0),
        sparsity_matching=found.sparsity_matching,
        n_directions=found.n_directions,
        submatrices=found.submatrices,
        seconds=budget.spent,
        status=_verdict(found.status, unknown + untold, residual, torch.finfo(gradient.dtype).eps),
        details=details,
    )


def _verdict(found: Status, unknown: int, residual: float, eps: float) -> Status:
    if found in (Status.EXACT, Status.APPROXIMATE) and unknown:
        return Status.ESTIMATED
    if found is Status.EXACT and not residual <= ROUNDINGS * eps:
        return Status.PARTIAL
    return found


def unexplained(
    inputs: Tensor, completed: Completed, observation: Observation, gradient: Tensor
) -> int:
    """Count the neurons whose entries left the inputs found do not explain, or cannot be told to.

    Of a neuron that is not determined, entries are left in fewer columns than there are inputs, or
    few more. The inputs that activate it must explain them with an equation to spare. Else another
    input may be behind them, which acts on such neurons alone. No input may activate a neuron
    without any entry left.

    Args:
        inputs: those found (b x n).
        completed: the gradient as far as it is determined.
        observation: of the layer.
        gradient: [dL/dW, dL/dbias] as it was shared.
    """
    extended = torch.cat([inputs, inputs.new_ones(len(inputs), 1)], dim=1)
    weights = torch.cat([observation.weight, observation.bias.unsqueeze(1)], dim=1).to(inputs)
    limit = ROUNDINGS * torch.finfo(gradient.dtype).eps
    count = 0
    for row in (~completed.rows).nonzero()[:, 0].tolist():
        left = gradient[row] != 0
        acting = extended[extended @ weights[row] > 0][:, left]
        if not bool(left.any()):
            count += len(acting) > 0
            continue
        values = gradient[row, left].to(inputs)
        if len(values) <= len(acting):
            count += 1
            continue
        solution = torch.linalg.lstsq(acting.T, values.unsqueeze(1)).solution
        count += bool((acting.T @ solution - values.unsqueeze(1)).norm() > limit * values.norm())
    return count


def explained(found: Reconstruction) -> Tensor:
    """Return dL/dZ [X^T, 1] of a result, of the rows that it covers."""
    bias = found.inputs.new_ones(len(found.inputs), 1)
    return found.activation_gradients @ torch.cat([found.inputs, bias], dim=1)


def _residual(found: Reconstruction, completed: Completed, gradient: Tensor) -> float:
    """Difference of dL/dZ [X^T, 1] to the entries left in the determined rows."""
    if not len(found.inputs):
        return math.inf
    left = gradient.double()[completed.rows]
    product = explained(found)
    return float(((product - left) * (left != 0)).norm() / left.norm())
