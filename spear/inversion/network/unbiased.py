"""Any layer of a chain without biases, through the layer pair that is solved most easily.

What fixes the lengths of a pair's inputs depends on its activation: the shape of a smooth one
(`spear.inversion.pair.unbiased`), or the loss if all from there on are homogeneous (`by_loss`).
From one pair the others follow as with biases: forward by computing the network, and backward
because known activations tell rows of the right length.
"""

from dataclasses import replace

import torch

from spear.budget import Budget
from spear.errors import InvalidObservation
from spear.inversion.network.by_loss import solved_by_loss
from spear.inversion.network.signs import signs_by_loss
from spear.inversion.network.through_a_pair import solved_through_a_pair
from spear.inversion.pair.finish import finished
from spear.inversion.pair.limits import Limits
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.proof import evidence, verdict_but_for_scale
from spear.inversion.pair.unbiased import free_problem, solved_by_activation
from spear.inversion.pair.unbiased_proof import judged
from spear.observation import LayerChain
from spear.reconstruction import SIGNS_BY_LOSS, SIGNS_OPEN, Reconstruction, Status


def solved_without_biases(
    chain: LayerChain, limits: Limits, seed: int, budget: Budget
) -> Reconstruction:
    """Reconstruct the inputs of the layer of a chain that is wanted.

    Args:
        chain: whose layers have no biases.
        limits: of the search in each pair.
        seed: of the starts.
        budget: shared by the pairs that are tried.

    Raises:
        InvalidObservation: nothing fixes the lengths of the inputs of any pair, or no next layer is
            wider than the batch.
    """

    def solve(place: int, problem: PairProblem, share: Budget) -> Reconstruction:
        if problem.activation.pieces is None:
            found = solved_by_activation(problem, seed, share, limits.max_starts)
            return _with_signs(chain, place, problem, found)
        return solved_by_loss(chain, place, problem, seed, share, limits.max_starts)

    problems = _problems(chain, limits.rank)
    return solved_through_a_pair(chain, problems, solve, _backward, budget)


def _problems(chain: LayerChain, rank: int | None) -> list[PairProblem | Status]:
    """The pairs in factors; `PARTIAL` for those whose lengths nothing fixes."""
    problems: list[PairProblem | Status] = []
    reasons = []
    for place in range(len(chain.activations)):
        try:
            _check_lengths(chain, place)
            problems.append(free_problem(chain.unbiased_pair(place), rank))
        except InvalidObservation as reason:
            reasons.append(reason)
            problems.append(Status.PARTIAL)
    if len(reasons) == len(problems):
        raise reasons[0]
    return problems


def _check_lengths(chain: LayerChain, place: int) -> None:
    """Refuse a pair whose lengths neither the activation nor the loss fixes."""
    activation = chain.activations[place]
    to_loss = chain.to_loss and all(each.homogeneous for each in chain.activations[place:])
    if activation.pieces is not None and not to_loss:
        raise InvalidObservation(
            f"the activation behind layer {place + 1} of the chain is {activation.name}, and no "
            "bias gradient or loss tells the lengths of inputs; expected a smooth one, or relu, "
            "leaky_relu or prelu in all layers up to a mean cross-entropy."
        )


def _with_signs(
    chain: LayerChain, place: int, problem: PairProblem, found: Reconstruction
) -> Reconstruction:
    """The reconstruction with the signs of the loss, if nothing else is open."""
    odd = all(_is_odd(chain, k) for k in range(place, len(chain.activations)))
    if SIGNS_OPEN not in found.details or not (chain.to_loss and odd):
        return found
    rows = torch.linalg.inv(found.disaggregation.to(problem.left.device))
    if judged(problem, rows).but_for_signs is not Status.EXACT:
        return found
    inputs = found.inputs.to(problem.left.device)
    signs = signs_by_loss(chain, place, inputs)
    if signs is None:
        return found
    details = {name: each for name, each in found.details.items() if name != SIGNS_OPEN}
    return replace(
        found,
        inputs=(signs[:, None] * inputs).cpu(),
        activation_gradients=found.activation_gradients * signs.cpu(),
        disaggregation=found.disaggregation * signs.cpu(),
        status=Status.EXACT,
        details=details | {SIGNS_BY_LOSS: 1.0},
    )


def _is_odd(chain: LayerChain, place: int) -> bool:
    z = torch.linspace(-3, 3, len(chain.layers[place].weight), dtype=torch.float64)
    z = z.to(chain.layers[place].weight.device)
    activation = chain.activations[place]
    return torch.allclose(activation.value(-z), -activation.value(z))


def _backward(problem: PairProblem, samples: Samples, found: Reconstruction) -> Reconstruction:
    scaled = problem.with_sum(torch.linalg.inv(samples.rows).sum(dim=1))
    disaggregation = finished(scaled, samples)
    scaled = problem.with_sum(disaggregation.sum(dim=1))
    shown = evidence(scaled, disaggregation)
    return replace(
        found,
        inputs=torch.linalg.solve(disaggregation, problem.first.right).cpu(),
        activation_gradients=(problem.left @ disaggregation).cpu(),
        disaggregation=disaggregation.cpu(),
        sparsity_matching=float("nan"),
        status=verdict_but_for_scale(scaled, shown),
        details=found.details | {"residual": max(found.details["residual"], shown.largest)},
    )
