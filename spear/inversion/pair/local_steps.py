"""Updates of several local steps: gradients at the mean weights, and what the drift leaves.

A client makes T steps at the rate eta on its whole batch, W^(t+1) = W^t - eta g(W^t), and shares
U = (W^0 - W^T) / eta, the sum of T gradients. Weights drift between the terms. If the gradient is
nearly linear along the way, the mean of its values is its value in the middle, and the middle of
W^0, ..., W^(T-1) is known to the server:

    U = T g(Wm) + O(eta^2),   Wm = W^0 - (T - 1) / (2 T) eta U.

So both consistencies hold at Wm up to the square of the drift, while they hold at W^0 up to the
drift itself. What is left shows in the next layer's update: every D2^t (A^t)^T has rank b, but not
their sum.
"""

import math
from copy import deepcopy
from dataclasses import replace

import torch

from spear.errors import InvalidObservation
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.shared_gradients import SharedGradients
from spear.observation import LayerPair
from spear.update import Update

DRIFT = 8.0
"""Relative error of dL/dZ that the drift is expected to leave, as a multiple of the share of the
next layer's update beyond its rank. The proof allows 3 times as much, 24; true batches need 14 at
most."""

MOST_DRIFT = 6e-3
"""Largest share beyond the rank of an update that is attacked. There the proof allows residuals of
24 x 0.6 % = 14 %, which false samples have, too."""


def at_mean_weights(update: Update, steps: int, learning_rate: float) -> Update:
    """Return the same update with a network of the mean weights of the steps.

    Args:
        update: U of each parameter, and the network with the weights W^0.
        steps: T.
        learning_rate: eta.
    """
    network = deepcopy(update.network)
    share = learning_rate * (steps - 1) / (2 * steps)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name in update.gradients:
                moved = parameter.double() - share * update.gradients[name].to(parameter).double()
                parameter.copy_(moved)
    return replace(update, network=network)


def rounding_of(pair: LayerPair, steps: int, learning_rate: float) -> float:
    """Return the share of the next layer's update that rounding of weights puts beyond its rank.

    U = (W^0 - W^T) / eta has T roundings of weights, each uniform within half a unit of the last
    place. They are a random matrix: its largest singular value is its deviation times
    sqrt(K) + sqrt(m).

    Args:
        pair: at the mean weights.
        steps: T.
        learning_rate: eta.
    """
    weight = pair.next_weight
    unit = torch.finfo(weight.dtype).eps * float(weight.double().square().mean().sqrt())
    deviation = unit * math.sqrt(steps / 12) / learning_rate
    size = float(torch.linalg.matrix_norm(pair.next_weight_gradient.double(), ord=2))
    return deviation * sum(math.sqrt(each) for each in weight.shape) / size


def with_drift(
    problem: PairProblem, pair: LayerPair, steps: int, learning_rate: float
) -> PairProblem:
    """Return a problem that allows for the drift of local steps.

    Args:
        problem: the pair in factors, at the mean weights.
        pair: of which it is.
        steps: T.
        learning_rate: eta.

    Raises:
        InvalidObservation: the activation is piecewise linear, so that a neuron switches between
            the steps; the next layer's update does not show the drift; or the drift, or the
            rounding of the weights, is too large.
    """
    if problem.activation.pieces is not None:
        raise InvalidObservation(
            f"the activation is {problem.activation.name}, whose neurons switch between local "
            "steps; expected a smooth one. attack=spear_irls attacks a ReLU after local steps."
        )
    values = torch.linalg.svdvals(pair.next_weight_gradient.double())
    if not problem.spans_activations or len(values) <= problem.b:
        raise InvalidObservation(
            f"the next layer's update has rank {problem.r} with {problem.b} inputs, so that it "
            "does not show how far local steps moved the activations; expected a next layer that "
            "is wider than the batch."
        )
    drift = float(values[problem.b] / values[0])
    if drift > MOST_DRIFT:
        raise InvalidObservation(_too_much(drift, rounding_of(pair, steps, learning_rate)))
    first, error = problem.first, DRIFT * drift
    noise, size = first.noise, pair.first.weight_gradient.double().square().mean().sqrt()
    rows = error * torch.ones_like(noise.rows) / noise.gains.mean().sqrt()
    return replace(
        problem,
        first=replace(first, noise=replace(noise, rows=torch.hypot(noise.rows, rows))),
        first_error=math.hypot(problem.first_error, error * float(size)),
        shared=problem.shared or SharedGradients.of(pair, first.right),
    )


def _too_much(drift: float, rounding: float) -> str:
    """Why an update is refused: most of what is beyond its rank is rounding, or drift."""
    expected = f"of the next layer's update is beyond its rank; expected at most {MOST_DRIFT:g}:"
    if rounding > drift / 2:
        return (
            "the local steps moved the weights so little that their rounding shows: "
            f"{drift:.2g} {expected} a larger learning rate, or weights in float64."
        )
    return (
        f"the local steps moved the weights so far that {drift:.2g} {expected} fewer steps or a "
        "smaller learning rate."
    )
