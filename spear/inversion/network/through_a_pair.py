"""Inputs of any layer of a chain from the first of its pairs that is solved."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from spear.budget import Budget
from spear.inversion.network.consistency import agrees_in_front, explains
from spear.inversion.network.propagation import (
    gradients_given_inputs,
    passed_through,
    samples_given_activations,
)
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.observation import LayerChain
from spear.reconstruction import Reconstruction, Status

Problems = list[PairProblem | Status]
"""Of each pair of a chain; a status if it cannot be searched."""

Solve = Callable[[int, PairProblem, Budget], Reconstruction]
"""Function of a place and its pair that searches."""

Backward = Callable[[PairProblem, Samples, Reconstruction], Reconstruction]
"""Function of a pair, all of its samples, and the reconstruction of the layer behind it."""


def solved_through_a_pair(
    chain: LayerChain, problems: Problems, solve: Solve, backward: Backward, budget: Budget
) -> Reconstruction:
    """Return the inputs of the layer that is wanted, through the first pair that is solved.

    Args:
        chain: the layers and their updates.
        problems: of its pairs.
        solve: searches in one pair.
        backward: reconstructs the layer in front of a solved one.
        budget: shared by the pairs that are tried.
    """
    order = by_condition(problems)
    best = _none(chain, problems)
    for attempt, place in enumerate(order):
        problem = problems[place]
        assert isinstance(problem, PairProblem)
        found = solve(place, problem, budget.share(len(order) - attempt))
        if found.status is Status.EXACT:
            found = followed(chain, problems, place, found, backward)
        if place == chain.wanted or found.status is Status.EXACT:
            best = replace(found, details=found.details | {"solved": float(place + 1)})
        if best.status in (Status.EXACT, Status.APPROXIMATE):
            break
        if budget.over():
            best = replace(best, status=Status.TIMED_OUT)
            break
    return replace(best, seconds=budget.spent)


def _none(chain: LayerChain, problems: Problems) -> Reconstruction:
    """The result if no pair is solved."""
    own = problems[min(chain.wanted, len(problems) - 1)]
    m, n = chain.layers[chain.wanted].weight.shape
    return Reconstruction.empty(m, n, own if isinstance(own, Status) else Status.PARTIAL)


def followed(
    chain: LayerChain, problems: Problems, place: int, found: Reconstruction, backward: Backward
) -> Reconstruction:
    """Go from a solved pair to the layer that is wanted, and see that those around it fit.

    Args:
        chain, problems, backward: as in `solved_through_a_pair`.
        place: of the solved pair.
        found: its reconstruction, which is exact.

    Returns:
        That of the wanted layer; `partial` if another layer contradicts it.
    """

    def before(k: int, behind: Reconstruction) -> Reconstruction:
        return in_front(problems[k], behind, backward)

    inputs = found.inputs.to(chain.layers[0].weight.device)
    passed = passed_through(chain, place, inputs)
    if not explains(chain, passed):
        return replace(found, status=Status.PARTIAL)
    for k in reversed(range(chain.wanted, place)):
        found = before(k, found)
        if found.status is not Status.EXACT:
            return found
    if not fits_in_front(chain, min(chain.wanted, place), found, before):
        return replace(found, status=Status.PARTIAL)
    if chain.wanted > place:
        return of_layer_behind(chain, passed[chain.wanted], found)
    return found


def in_front(
    problem: PairProblem | Status, found: Reconstruction, backward: Backward
) -> Reconstruction:
    """Return the reconstruction of the layer in front of one whose inputs are exact.

    Args:
        problem: the pair of both layers; a status if it cannot be searched.
        found: of the layer behind.
        backward: reconstructs the one in front.

    Returns:
        Those of `found` with `partial` if the inputs behind are no activations of the pair.
    """
    if isinstance(problem, Status) or problem.b != found.batch_size:
        return replace(found, status=Status.PARTIAL)
    samples = samples_given_activations(problem, found.inputs.to(problem.left.device))
    if samples is None:
        return replace(found, status=Status.PARTIAL)
    return backward(problem, samples, found)


def by_condition(problems: Problems) -> list[int]:
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


def of_layer_behind(chain: LayerChain, inputs: Tensor, found: Reconstruction) -> Reconstruction:
    """Return the reconstruction of the layer that is wanted, behind the one that was solved.

    Args:
        chain: the layers.
        inputs: of the wanted one (b x n).
        found: of the solved one.
    """
    gradients, _ = gradients_given_inputs(chain.layers[chain.wanted], inputs)
    return replace(
        found,
        inputs=inputs.cpu(),
        activation_gradients=gradients.cpu(),
        disaggregation=gradients.new_zeros(0, 0).cpu(),
        sparsity_matching=float("nan"),
    )


def fits_in_front(
    chain: LayerChain,
    place: int,
    found: Reconstruction,
    before: Callable[[int, Reconstruction], Reconstruction],
) -> bool:
    """Tell whether nothing in front of a layer contradicts its inputs, as far as they lead.

    Args:
        chain: the layers.
        place: of the layer, counted from 0.
        found: its inputs.
        before: of the layer at a place, given those of the next one.
    """
    device = chain.layers[0].weight.device
    while agrees_in_front(chain, place, found.inputs.to(device)):
        if place == 0:
            return True
        place -= 1
        found = before(place, found)
        if found.status is not Status.EXACT:
            return True
    return False
