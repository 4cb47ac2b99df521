"""The search that suits a layer pair."""

from enum import StrEnum

from spear.activations.elementwise import Elementwise
from spear.errors import InvalidObservation
from spear.inversion.pair.engine import Engine
from spear.inversion.pair.noisy_peeling import NoisyPeeling
from spear.inversion.pair.piecewise import PiecewiseEngine
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.regression_solver import RegressionSearch
from spear.inversion.pair.search import Search
from spear.inversion.pair.smooth import SmoothEngine
from spear.inversion.pair.solver import Peeling
from spear.inversion.pair.sparse import SparseEngine
from spear.inversion.pair.starts import DrawStarts, random_starts
from spear.inversion.pair.wide import WIDE, WideEngine
from spear.inversion.pair.zero_search import ZeroSearch


class Method(StrEnum):
    """A way to search for the samples of a layer pair."""

    PEELING = "peeling"
    """Sparse directions, certified by forward consistency: ReLU before a layer wider than b."""
    REGRESSIONS = "regressions"
    """Two regressions a neuron: any piecewise linear activation."""
    DESCENT = "descent"
    """Descent on forward consistency, or else backward consistency: any activation."""


ENGINES: dict[Method, type[Engine]] = {
    Method.PEELING: SparseEngine,
    Method.REGRESSIONS: PiecewiseEngine,
    Method.DESCENT: SmoothEngine,
}


def search_for(
    problem: PairProblem, method: Method | None, seed: int, starts: DrawStarts = random_starts
) -> Search:
    """Return a search of a method, or of the one that suits the activation and the next layer.

    Args:
        problem: the whole of it.
        method: None for the one that suits.
        seed: of the starts.
        starts: of descents on forward consistency.

    Raises:
        InvalidObservation: the method does not fit them.
    """
    name = problem.activation.name
    if method is None and name == "relu" and problem.noisy:
        return ZeroSearch(problem, seed)
    method = method or suitable(problem.activation, problem.spans_activations)
    if method == Method.PEELING and not (name == "relu" and problem.spans_activations):
        raise InvalidObservation(
            f"method is peeling, but the activation is {name} and the next layer's gradient has "
            f"rank {problem.r} with {problem.b} inputs; expected relu and equal numbers. Leave the "
            "method out to get one that fits."
        )
    if method == Method.REGRESSIONS and problem.activation.pieces is None:
        raise InvalidObservation(
            f"method is regressions, but the activation ({name}) is not piecewise linear; leave "
            "the method out to get one that fits."
        )
    if method == Method.REGRESSIONS and not problem.spans_activations:
        return RegressionSearch(problem, seed)
    peeling = NoisyPeeling if problem.noisy else Peeling
    if method == Method.PEELING and problem.m >= WIDE and not problem.noisy:
        return peeling(problem, WideEngine(), seed)
    engine = SmoothEngine(starts) if method == Method.DESCENT else ENGINES[method]()
    return peeling(problem, engine, seed)


def suitable(activation: Elementwise, spans_activations: bool) -> Method:
    """Return the method that suits an activation and the next layer.

    Args:
        activation: sigma.
        spans_activations: whether the rows of the next layer's gradient span every sample's.
    """
    pieces = activation.pieces
    if pieces is None:
        return Method.DESCENT
    if not spans_activations:
        return Method.REGRESSIONS
    if activation.name == "relu":
        return Method.PEELING
    # An activation that is linear around 0 leaves few neurons to tell samples apart by their slope.
    return Method.DESCENT if pieces.lower < 0 < pieces.upper else Method.REGRESSIONS
