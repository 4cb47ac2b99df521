"""Proof of a solution behind homogeneous activations without biases, whose lengths the loss tells.

The pair proves the directions as `spear.inversion.pair.proof` does: of rows with s . p = 1 for the
s of inputs of length 1, no other batch near them solves the equations. The last layer's gradient
gives lengths and labels (`lengths`). Then the batch is whole, and a forward and backward pass has
to make the gradient of every layer up to the loss.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.activations.elementwise import Elementwise
from spear.inversion.factors.input_errors import ALLOWED_ERROR, input_errors, qualified
from spear.inversion.network.consistency import EXPLAINED
from spear.inversion.network.lengths import Lengths, lengths_by_loss
from spear.inversion.network.propagation import passed_through
from spear.inversion.network.reproduction import unreproduced
from spear.inversion.pair.finish import finished
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.proof import evidence, verdict_but_for_scale
from spear.observation import LayerChain
from spear.reconstruction import LENGTHS_OPEN, RESTS_ON_LOSS, SIGNS_OPEN, Status


@dataclass(frozen=True)
class JudgedByLoss:
    """A solution whose lengths the loss tells, and the verdict on it.

    Attributes:
        disaggregation: Q (b x b).
        status: end of the attack.
        details: largest relative residual of the pair, and what the lengths rest on.
        labels: class of each sample (b); None if there is no telling.
    """

    disaggregation: Tensor
    status: Status
    details: dict[str, float]
    labels: Tensor | None


def judged_by_loss(
    chain: LayerChain, place: int, problem: PairProblem, samples: Samples
) -> JudgedByLoss:
    """Find the lengths of all samples of a pair, and judge the batch.

    Args:
        chain: up to the logits, without biases.
        place: of the pair's first layer.
        problem: the pair.
        samples: all of its samples, of any lengths.
    """
    scaled, disaggregation = _of_unit_inputs(problem, samples)
    found = evidence(scaled, disaggregation)
    status, details = verdict_but_for_scale(scaled, found), {"residual": found.largest}
    if status is Status.PARTIAL:
        return JudgedByLoss(disaggregation, status, details, None)
    inputs = torch.linalg.solve(disaggregation, problem.first.right)
    features = passed_through(chain, place, inputs)[len(chain.activations)]
    lengths = lengths_by_loss(chain.layers[-1], features)
    if lengths is None or not bool(lengths.factors.isfinite().all()):
        return JudgedByLoss(disaggregation, Status.APPROXIMATE, details | {LENGTHS_OPEN: 1.0}, None)
    told = bool((lengths.errors < 1).all())
    details |= {RESTS_ON_LOSS if told else LENGTHS_OPEN: 1.0}
    verdict = _status(chain, place, lengths.factors[:, None] * inputs, lengths, status)
    if _is_even(chain.activations[place]):
        details |= {SIGNS_OPEN: 1.0}
        verdict = Status.APPROXIMATE if verdict is Status.EXACT else verdict
    verdict, details = qualified(verdict, details, input_errors(problem.first, disaggregation))
    return JudgedByLoss(disaggregation / lengths.factors, verdict, details, lengths.labels)


def _is_even(activation: Elementwise) -> bool:
    """Tell whether sigma(-z) = sigma(z), as of a leaky ReLU of slope -1: x and -x are alike."""
    one = torch.ones(1, 1, dtype=torch.float64)
    return bool((activation.value(one) == activation.value(-one)).all())


def _of_unit_inputs(problem: PairProblem, samples: Samples) -> tuple[PairProblem, Tensor]:
    """The problem with the s of inputs of length 1, and their Q (b x b).

    Lengths of several orders would tilt the rows with s . p = 1 towards the samples themselves, and
    an error in a length would pass for one of the direction.
    """
    scaled = problem.with_sum(_with_unit_inputs(problem, samples.directions.T).sum(dim=1))
    disaggregation = _with_unit_inputs(problem, finished(scaled, samples))
    return problem.with_sum(disaggregation.sum(dim=1)), disaggregation


def _with_unit_inputs(problem: PairProblem, directions: Tensor) -> Tensor:
    inputs = torch.linalg.solve(directions, problem.first.right)
    return directions * torch.linalg.vector_norm(inputs, dim=1)


def _status(
    chain: LayerChain, place: int, inputs: Tensor, lengths: Lengths, of_pair: Status
) -> Status:
    clean = of_pair is Status.EXACT
    if not lengths.explained or (clean and lengths.rest > EXPLAINED):
        return Status.PARTIAL
    if not clean or not bool((lengths.errors <= ALLOWED_ERROR).all()):
        return Status.APPROXIMATE
    rest = unreproduced(chain, place, inputs, lengths.labels, lengths.batch_size)
    return Status.EXACT if rest <= EXPLAINED else Status.PARTIAL
