"""The lengths of the inputs: what fixes them beside the bias gradients.

s . p = 1 takes every length from dL/dc1. If sigma is homogeneous and c1 = 0, an update whose bias
gradients, dL/dc1 and dL/dc2, are both multiplied by t is that of the inputs x / t, and nothing in
the pair contradicts it. A client that trains its biases at a rate of their own shares such an
update.
"""

from dataclasses import replace

from spear.inversion.factors.input_errors import ALLOWED_ERROR
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.proof import Evidence, evidence


def rests_on_biases(problem: PairProblem, found: Evidence) -> bool:
    """Tell whether the bias gradients alone fix the lengths, or the signs, of an exact solution.

    Then the solution for bias gradients of another scale is as good.

    Args:
        problem: the layer pair.
        found: evidence of an exact solution.
    """
    return any(_fits(problem, found, scale) for scale in (1 + ALLOWED_ERROR, -1.0))


def _fits(problem: PairProblem, found: Evidence, scale: float) -> bool:
    bias = problem.next_bias
    other = replace(problem, next_bias=None if bias is None else scale * bias)
    return evidence(other, scale * found.disaggregation).at_rounding
