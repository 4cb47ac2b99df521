"""A batch of which inputs without a kink are told apart by the loss.

The pair gives the samples with a kink, and the span of the others (`kinkless` of the pairs). The
layers up to the outputs and the cross-entropy give the mixture (`mixture`). Then the gradients
of all layers are fitted by the whole batch (`whole_fit`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from spear.activations.elementwise import Elementwise
from spear.budget import Budget
from spear.inversion.directions.scale import fix_scale, is_regular
from spear.inversion.factors.gram import unit
from spear.inversion.factors.input_errors import input_errors, qualified
from spear.inversion.network.consistency import EXPLAINED
from spear.inversion.network.mixture import labels_by_gradients, unmixed
from spear.inversion.network.reproduction import in_float64, unreproduced
from spear.inversion.network.whole_fit import Fitted, WholeFit
from spear.inversion.pair.beside import linear_directions
from spear.inversion.pair.finish import unfinished
from spear.inversion.pair.kinkless import beside_search, with_exact_directions, without_kinked
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.proof import evidence
from spear.inversion.pair.search import run
from spear.observation import LayerChain
from spear.reconstruction import TOLD_APART_BY_LOSS, Reconstruction, Status

LEAST = 2
"""Inputs without a kink from which on the pair leaves a mixture of them open."""


def needs_the_loss(chain: LayerChain, problem: PairProblem) -> bool:
    """Tell whether a pair leaves a mixture of inputs open that the loss may tell apart.

    Args:
        chain: the pair and the layers behind it.
        problem: the pair.
    """
    if problem.activation.pieces is None or problem.noisy or not chain.to_loss:
        return False
    # Derivatives of `Elementwise.slope` itself are not known.
    differentiable = all(type(each).slope is not Elementwise.slope for each in chain.activations)
    return differentiable and without_kink(problem) >= LEAST


def without_kink(problem: PairProblem) -> int:
    """Number of samples whose z all lie in the inner piece of a piecewise linear activation."""
    return len(linear_directions(problem)[0])


@dataclass(frozen=True)
class _Whole:
    """All samples of a batch.

    Attributes:
        fitted: their rows, those with a kink first.
        told_apart: how many of them the loss tells apart.
        labels: of each (b).
        batch_size: N, by which the mean loss divides.
    """

    fitted: Fitted
    told_apart: int
    labels: Tensor
    batch_size: float


def told_apart_by_loss(
    chain: LayerChain, problem: PairProblem, max_starts: float, seed: int, budget: Budget
) -> Reconstruction:
    """Search for the samples with a kink, and then for the mixture of the others.

    Args:
        chain: the pair and the layers behind it, up to the logits of the cross-entropy.
        problem: the pair.
        max_starts: of the search after which it gives up.
        seed: of the starts.
        budget: of the search; `seconds` of the result is what it has spent.
    """
    count = without_kink(problem)
    search = beside_search(problem, count, seed)
    status = run(search, budget, max_starts)
    details = {"rounds": float(search.rounds), "starts": float(search.starts)}
    kinked = search.kinked
    whole = _whole(chain, problem, kinked, count, seed, budget) if search.solved else None
    labels = None
    if whole is None:
        disaggregation = unfinished(problem, kinked)
    else:
        disaggregation = torch.linalg.inv(whole.fitted.rows)
        status, residual = _judged(chain, problem, whole, disaggregation)
        details |= {"residual": residual, TOLD_APART_BY_LOSS: float(whole.told_apart)}
        errors = input_errors(problem.first, disaggregation).maximum(whole.fitted.errors)
        status, details = qualified(status, details, errors)
        labels = one_hot(whole.labels, len(chain.layers[-1].weight)).double().cpu()
    return Reconstruction(
        inputs=torch.linalg.solve(disaggregation, problem.first.right).cpu(),
        activation_gradients=(problem.left @ disaggregation).cpu(),
        disaggregation=disaggregation.cpu(),
        sparsity_matching=float("nan"),
        n_directions=len(kinked) if whole is None else problem.b,
        submatrices=0,
        seconds=budget.spent,
        status=status,
        details=details,
        labels=labels,
    )


def _whole(
    chain: LayerChain,
    problem: PairProblem,
    kinked: Samples,
    count: int,
    seed: int,
    budget: Budget,
) -> _Whole | None:
    """All samples, from those with a kink; None if the loss does not tell the others."""
    kinked = with_exact_directions(problem, kinked, count)
    if len(kinked) >= problem.b:  # none is left, and the pair alone did not prove these
        return None
    rest = without_kinked(problem, kinked)
    inputs, gradients = kinked.rows @ problem.first.right, kinked.directions @ problem.left.T
    labels, size = labels_by_gradients(chain, inputs, gradients)
    size = size or float(problem.b)
    generator = torch.Generator(device=problem.left.device).manual_seed(seed)
    found = unmixed(chain, rest.problem, size, generator, budget)
    if found is None:
        return None
    others = rest.direction_map @ torch.linalg.inv(found.rows)
    directions = unit(torch.cat([kinked.directions, others.T])).T
    if not is_regular(directions):
        return None
    rows = torch.linalg.inv(fix_scale(problem.first, directions))
    labels = torch.cat([labels, found.labels])
    fitted = WholeFit(in_float64(chain), problem, labels, size).refined(rows)
    return _Whole(fitted, len(found.rows), labels, size)


def _judged(
    chain: LayerChain, problem: PairProblem, whole: _Whole, disaggregation: Tensor
) -> tuple[Status, float]:
    """The verdict but for each input's error, and the largest relative residual in the pair."""
    shown = evidence(problem, disaggregation)
    inputs = torch.linalg.solve(disaggregation, problem.first.right)
    made = unreproduced(chain, 0, inputs, whole.labels, whole.batch_size) <= EXPLAINED
    if not (made and shown.explained):
        return Status.PARTIAL, shown.largest
    exact = problem.first.bias_fits and shown.at_rounding
    return Status.EXACT if exact else Status.APPROXIMATE, shown.largest
