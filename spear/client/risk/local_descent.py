"""Local optimisation (LAVP, arXiv 2312.12488, Table 5): how far descents near the truth come."""

import time

import torch
from torch import Tensor, nn

from spear.baselines.gradient_matching.descent import Descent, Start
from spear.baselines.gradient_matching.objectives import CosineDistance, Objective, SquaredDistance
from spear.baselines.gradient_matching.optimisers import Adam
from spear.baselines.gradient_matching.problem import Problem
from spear.baselines.gradient_matching.schedules import Cosine
from spear.budget import Budget
from spear.data.base import Batch
from spear.domain import Domain
from spear.settings import check_above_zero, check_least
from spear.update import Update

LOSSES: dict[str, Objective] = {"l2": SquaredDistance(), "cosine": CosineDistance()}
"""Name of each matching loss in the numbers of a forecast."""


class LocalDescent:
    """Descends on both matching losses from the truth plus noise.

    It is a study and no attack: the start is an oracle's, which only the client has. A client
    learns how far an attack would come that is near the truth already, which is the worst case of
    LAVP's theory. Both losses and all batches of one shape have the same noise, so that nothing
    but the batch and the loss differs. The gradient is the plain one of the whole batch.

    Args:
        distance: root mean square of the noise in an entry of the inputs, above 0, in the units
            that the network receives.
        iterations: steps of Adam, at least 1.
        learning_rate: of the first step, above 0; it falls to 0 by half a cosine.
        seed: of the noise.

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self,
        distance: float = 0.1,
        iterations: int = 100,
        learning_rate: float = 0.01,
        seed: int = 0,
    ) -> None:
        check_above_zero(distance=distance, learning_rate=learning_rate)
        check_least(1, iterations=iterations)
        self.distance = distance
        self.iterations = iterations
        self.learning_rate = learning_rate
        self.seed = seed

    def __call__(self, network: nn.Module, loss: nn.Module, batch: Batch) -> dict[str, float]:
        """Implement `RiskForecast`.

        Returns:
            `local_l2_left`, `local_cosine_left`: distance from the truth of the candidate of the
            least loss, as a multiple of that of the start, 0 for the truth itself;
            `local_l2_loss`, `local_cosine_loss`: its loss as a multiple of that of the start; and
            `local_seconds`: wall time.

        Raises:
            VictimError: the network cannot be differentiated twice, or the loss is finite nowhere.
        """
        began = time.perf_counter()
        update = _plain_update(network, loss, batch)
        start = batch.inputs + self._noise(batch.inputs)
        found: dict[str, float] = {}
        for name, objective in LOSSES.items():
            end, ratio = self._descended(update, objective, start, batch.labels)
            found[f"local_{name}_left"] = _norm(end - batch.inputs) / _norm(start - batch.inputs)
            found[f"local_{name}_loss"] = ratio
        return found | {"local_seconds": time.perf_counter() - began}

    def _noise(self, like: Tensor) -> Tensor:
        """Gaussian noise of exactly this root mean square."""
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(like.shape, generator=generator, dtype=torch.float64)
        return (self.distance * noise / noise.square().mean().sqrt()).to(like)

    def _descended(
        self, update: Update, objective: Objective, start: Tensor, labels: Tensor
    ) -> tuple[Tensor, float]:
        """Return the candidate of the least loss, and its loss over that of the start."""
        problem = Problem(update.copied(start.device), objective, {})
        inputs = start.clone().requires_grad_()
        optimiser = Adam(learning_rate=self.learning_rate, schedule=Cosine())
        begun = Start(
            inputs,
            [],
            lambda: problem(inputs, labels),
            optimiser.start([inputs], self.iterations),
        )
        first = float(problem(inputs, labels).total.detach())
        descent = Descent(self.iterations, 1, Budget())
        descent(lambda: begun)
        best = descent.best
        end = start if best.inputs is None else best.inputs
        return end, best.total / first if first > 0 else 1.0


def _plain_update(network: nn.Module, loss: nn.Module, batch: Batch) -> Update:
    parameters = {name: each for name, each in network.named_parameters() if each.requires_grad}
    value = loss(network(batch.inputs), batch.labels)
    gradients = torch.autograd.grad(value, [*parameters.values()], materialize_grads=True)
    shape = tuple(batch.inputs.shape[1:])
    by_name = dict(zip(parameters, gradients, strict=True))
    return Update(network, by_name, loss, Domain.unbounded(shape), batch.labels)


def _norm(difference: Tensor) -> float:
    return float(torch.linalg.vector_norm(difference.double()))
