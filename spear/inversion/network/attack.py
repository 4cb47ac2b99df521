"""Exact inversion at any layer of a chain, through the layer pair that is solved most easily."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from spear.attack import ProgressCallback
from spear.budget import Budget
from spear.chains import chain_around
from spear.domain import Domain
from spear.errors import LayerError
from spear.inversion.network.consistency import agrees_in_front, explains
from spear.inversion.network.propagation import (
    gradients_given_inputs,
    passed_on,
    samples_given_activations,
)
from spear.inversion.pair import SpearPair
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.inversion.pair.reconstruct import reconstruction_of
from spear.layers import check_number, linear_layers
from spear.observation import LayerChain
from spear.reconstruction import RESTS_ON_BIASES, Reconstruction, Status
from spear.settings import check_device, check_time_limit
from spear.transformer import check_takes_numbers
from spear.update import Update, check_update


class SpearNetwork:
    """Finds the inputs of any layer of a chain through the easiest of its layer pairs.

    Pairs are tried from the best conditioned gradient on. From the first one that is solved exactly
    the inputs of every other layer follow (`propagation`).

    Args:
        layer: number of the layer whose inputs are reconstructed, counted from 1; -1 is the last.
        time_limit: seconds per batch, shared by the pairs that are tried; None for no limit.
        max_starts: starts after which a pair is given up.
        rank: batch size; None to take it from the singular values.
        device: where to search, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
        LayerError: `layer` is no whole number.
    """

    given_labels = False

    def __init__(
        self,
        layer: int = 1,
        time_limit: float | None = 60.0,
        max_starts: float = 1e6,
        rank: int | None = None,
        device: str = "cpu",
    ) -> None:
        check_number(layer)
        check_time_limit(time_limit)
        check_device(device)
        self.layer = layer
        self.time_limit = time_limit
        self.device = device
        self._pair = SpearPair(max_starts=max_starts, rank=rank, device=device)

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `Attack.check`.

        Raises:
            LayerError: there is no such layer, or it belongs to no layer pair.
            VictimError: the network does not take inputs of the domain's shape.
        """
        check_takes_numbers(network)
        chain = chain_around(linear_layers(network, domain.shape), self.layer)
        if len(chain) == 1:
            raise LayerError(
                f"layer is {self.layer} ({chain[0].name}), which belongs to no layer pair; "
                "expected a linear layer with a bias, one elementwise activation and a linear "
                "layer in a row."
            )

    def observe(self, update: Update) -> LayerChain:
        """Implement `Attack.observe`.

        Raises:
            LayerError, InvalidObservation: see `Update.observe_chain`.
        """
        check_update(update)
        return update.observe_chain(self.layer)

    def __call__(
        self, observation: LayerChain, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `Attack.__call__`.

        `details` has those of the pair that was solved, and `solved`: the place of its first layer
        in the chain, counted from 1.
        """
        budget = Budget(self.time_limit, progress)
        with torch.no_grad():
            return self._solved(observation.to(self.device), seed, budget)

    def _solved(self, chain: LayerChain, seed: int, budget: Budget) -> Reconstruction:
        rank = self._pair.rank
        problems = [pair_problem(chain.pair(k), rank) for k in range(len(chain.activations))]
        order = by_condition(problems)
        best = self._none(chain, problems)
        for attempt, place in enumerate(order):
            problem = problems[place]
            assert isinstance(problem, PairProblem)
            share = budget.share(len(order) - attempt)
            found = self._pair.reconstruct(problem, seed, share)
            if found.status is Status.EXACT:
                found = self._followed(chain, problems, place, found)
            if place == chain.wanted or found.status is Status.EXACT:
                best = replace(found, details=found.details | {"solved": float(place + 1)})
            if best.status in (Status.EXACT, Status.APPROXIMATE):
                break
            if budget.over():
                best = replace(best, status=Status.TIMED_OUT)
                break
        return replace(best, seconds=budget.spent)

    def _none(self, chain: LayerChain, problems: list[PairProblem | Status]) -> Reconstruction:
        """Return the result if no pair is solved."""
        wanted = chain.layers[chain.wanted]
        own = problems[min(chain.wanted, len(problems) - 1)]
        status = own if isinstance(own, Status) else Status.PARTIAL
        m, n = wanted.weight.shape
        return Reconstruction.empty(m, n, status)

    def _followed(
        self,
        chain: LayerChain,
        problems: list[PairProblem | Status],
        place: int,
        found: Reconstruction,
    ) -> Reconstruction:
        """Go from a solved pair to the layer that is wanted, and see that those around it fit."""
        inputs = found.inputs.to(chain.layers[0].weight.device)
        passed = _forward(chain, place, inputs)
        if not explains(chain, passed):
            return replace(found, status=Status.PARTIAL)
        there = found
        for k in reversed(range(chain.wanted, place)):
            there = _backward(problems[k], there)
            if there.status is not Status.EXACT:
                return there
        if not _fits_in_front(chain, problems, min(chain.wanted, place), there):
            return replace(there, status=Status.PARTIAL)
        if chain.wanted > place:
            return _of_layer(chain, passed[chain.wanted], found)
        return there


def _fits_in_front(
    chain: LayerChain, problems: list[PairProblem | Status], place: int, found: Reconstruction
) -> bool:
    """Tell whether nothing in front of a layer contradicts its inputs, as far as they lead."""
    device = chain.layers[0].weight.device
    while agrees_in_front(chain, place, found.inputs.to(device)):
        if place == 0:
            return True
        place -= 1
        found = _backward(problems[place], found)
        if found.status is not Status.EXACT:
            return True
    return False


def by_condition(problems: list[PairProblem | Status]) -> list[int]:
    """Return places of the problems with the most inputs, from the best conditioned G1 on.

    A pair of fewer inputs than another one hides some: their gradients are below its rounding.
    """
    sizes = [each.b for each in problems if isinstance(each, PairProblem)]
    conditions = {
        place: float(each.first.singular_values[0] / each.first.singular_values[-1])
        for place, each in enumerate(problems)
        if isinstance(each, PairProblem) and each.b == max(sizes)
    }
    return sorted(conditions, key=lambda place: conditions[place])


def _forward(chain: LayerChain, place: int, inputs: Tensor) -> dict[int, Tensor]:
    """Inputs of the layers from a place on."""
    passed = {place: inputs.to(torch.float64)}
    for k in range(place, len(chain.activations)):
        passed[k + 1] = passed_on(chain.layers[k], chain.activations[k], passed[k])
    return passed


def _of_layer(chain: LayerChain, inputs: Tensor, found: Reconstruction) -> Reconstruction:
    """The reconstruction of the layer that is wanted, behind the one that was solved."""
    gradients, _ = gradients_given_inputs(chain.layers[chain.wanted], inputs)
    return replace(
        found,
        inputs=inputs.cpu(),
        activation_gradients=gradients.cpu(),
        disaggregation=gradients.new_zeros(0, 0).cpu(),
        sparsity_matching=float("nan"),
    )


def _backward(problem: PairProblem | Status, found: Reconstruction) -> Reconstruction:
    """The reconstruction of the layer before one whose inputs are exact."""
    if isinstance(problem, Status) or problem.b != found.batch_size:
        return replace(found, status=Status.PARTIAL)
    samples = samples_given_activations(problem, found.inputs.to(problem.left.device))
    if samples is None:
        return replace(found, status=Status.PARTIAL)
    details = _without_scale(found.details)
    there = reconstruction_of(problem, samples, Status.PARTIAL, details, found.seconds)
    if RESTS_ON_BIASES in found.details:
        return there
    return replace(there, details=_without_scale(there.details))  # one pair fixes it for all


def _without_scale(details: dict[str, float]) -> dict[str, float]:
    return {name: each for name, each in details.items() if name != RESTS_ON_BIASES}
