"""Local training, by which a client's gradients become the update that it shares."""

import math
from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor, nn

from spear.client.defenses import Defense
from spear.client.local_optimizer import LocalOptimizer, LocalSGD
from spear.data.base import Batch
from spear.errors import ConfigError
from spear.settings import check_least


class LocalTraining(Protocol):
    """Interface of local training, which turns a private batch into the update that is shared.

    A new protocol implements `update` and gets one file in `conf/fedavg/`.
    """

    def update(
        self,
        network: nn.Module,
        loss: nn.Module,
        defense: Defense,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Return the update of each trained parameter: name -> tensor shaped like the parameter.

        Args:
            network: with the parameters from which the client starts. It is not changed.
            loss: maps (outputs, labels) to a scalar.
            defense: computes each gradient.
            batch: the private batch.
            generator: source of all randomness, on the CPU; the global one if None.
        """
        ...


class SingleGradient:
    """FedSGD: the client shares a single gradient of its whole batch (Sec. 2)."""

    def update(
        self,
        network: nn.Module,
        loss: nn.Module,
        defense: Defense,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Return the gradient that the defense computes."""
        return defense.gradient(network, loss, batch, generator)


class FedAvg:
    """FedAvg (App. F): several local SGD steps, of which the server sees only the final weights.

    In each of E epochs the client goes once through its batch, in mini-batches of b_mini drawn
    without replacement (the last one is smaller if b_mini does not divide b), and takes a step
    W <- W - eta g for each, with g the gradient that the defense computes. The update is

        (W_0 - W_E) / eta = sum of g over the E ceil(b / b_mini) steps,

    up to rounding: a *sum* of gradients rather than their mean. Another optimiser gives each
    gradient a weight of its own, and the server, which sets the optimiser and learns b, undoes what
    else it did (`spear.client.local_optimizer`).

    Rounding is larger than in a gradient. The client's weights are in the network's own precision
    (float32), so that W_E is known to half a unit in its last place, and each entry of the update
    to about 2^-25 |W| / eta. The server subtracts and divides in float64 and rounds the result once
    to the precision of the weights, by far less than what is already there.

    Args:
        epochs: E, at least 1.
        learning_rate: eta, above 0.
        batch_size: b_mini, at least 1; None, or at least b, for the full batch in every step.
        accumulate: number of mini-batches whose mean gradient makes one step, at least 1; at the
            end of an epoch what is left makes one.
        optimizer: turns gradients into steps; plain SGD unless given.

    Raises:
        ConfigError: E < 1, eta is not above 0 or infinite, b_mini < 1, or accumulate < 1.
    """

    def __init__(
        self,
        epochs: int,
        learning_rate: float,
        batch_size: int | None = None,
        accumulate: int = 1,
        optimizer: LocalOptimizer | None = None,
    ) -> None:
        check_least(1, epochs=epochs, accumulate=accumulate)
        if not 0 < learning_rate < math.inf:
            raise ConfigError(
                f"learning_rate is {learning_rate}; expected a finite number above 0."
            )
        if batch_size is not None and batch_size < 1:
            raise ConfigError(
                f"batch_size is {batch_size}; expected at least 1, or None (null in a "
                "configuration) for full batches."
            )
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.optimizer = optimizer or LocalSGD()

    def update(
        self,
        network: nn.Module,
        loss: nn.Module,
        defense: Defense,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Return the sum of gradients that the server reads from W_0 and W_E (`optimizer.undone`).

        Mini-batches and the defense's noise are drawn from `generator`.
        """
        local = deepcopy(network)
        parameters = dict(local.named_parameters())
        steps = self._steps(len(batch.labels))
        optimizer = self.optimizer.over(local.parameters(), self.learning_rate, steps)
        for _ in range(self.epochs):
            parts = self._mini_batches(batch, generator)
            while group := list(islice(parts, self.accumulate)):
                gradients = [defense.gradient(local, loss, part, generator) for part in group]
                gradient = _mean(gradients, [len(part.labels) for part in group])
                for name, value in gradient.items():
                    parameters[name].grad = value
                optimizer.step()
        before = dict(network.named_parameters())
        return {
            name: self.optimizer.undone(
                before[name].detach(), parameters[name].detach(), self.learning_rate, steps
            ).to(before[name].dtype)
            for name in gradient
        }

    def _steps(self, b: int) -> int:
        """Number of steps T for a batch of b."""
        mini_batches = math.ceil(b / min(b, self.batch_size or b))
        return self.epochs * math.ceil(mini_batches / self.accumulate)

    def _mini_batches(self, batch: Batch, generator: torch.Generator | None) -> Iterator[Batch]:
        b = len(batch.labels)
        if self.batch_size is None or self.batch_size >= b:
            yield batch
            return
        order = torch.randperm(b, generator=generator).to(batch.labels.device)
        for start in range(0, b, self.batch_size):
            chosen = order[start : start + self.batch_size]
            yield Batch(batch.inputs[chosen], batch.labels[chosen])


def _mean(gradients: list[dict[str, Tensor]], sizes: list[int]) -> dict[str, Tensor]:
    """Mean of the gradients of several mini-batches, weighed by their sizes."""
    if len(gradients) == 1:
        return gradients[0]
    weights = [n / sum(sizes) for n in sizes]
    return {
        name: torch.stack([w * g[name] for w, g in zip(weights, gradients, strict=True)]).sum(dim=0)
        for name in gradients[0]
    }
