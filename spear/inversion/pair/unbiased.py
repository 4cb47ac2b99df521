"""Exact inversion of a layer pair without any bias: the activation fixes the length of each input.

s . p = 1 needs dL/dc1. Without it forward consistency is asked of all rows p. It tells the length
of p wherever the activation is not homogeneous, since then sigma(t z) leaves the span of the
activations.
"""

import torch
from torch import Tensor, nn

from spear.activations.elementwise import Elementwise
from spear.attack import ProgressCallback
from spear.budget import Budget
from spear.domain import Domain
from spear.errors import InvalidObservation
from spear.inversion.directions.basis_of_space import completed
from spear.inversion.factors.gram import unit
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.forward_search import forward_round, solved_rows
from spear.inversion.pair.free_rows import FreeRows
from spear.inversion.pair.joint_fit import refit
from spear.inversion.pair.limits import LimitedAttack
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.inversion.pair.search import run
from spear.inversion.pair.solver import Peeling
from spear.inversion.pair.unbiased_proof import judged
from spear.layers import linear_layers
from spear.observation import UnbiasedPair
from spear.pairs import unbiased_pair_at
from spear.reconstruction import RESTS_ON_ACTIVATION, SIGNS_OPEN, Reconstruction, Status
from spear.transformer.language_model import check_takes_numbers
from spear.update import Update, check_update


class SpearPairUnbiased(LimitedAttack):
    """Finds the batch behind a layer without a bias, a smooth activation and a wider next layer.

    `details` says what fixed the lengths: `scale_by_activation`, and `signs_open` if the activation
    is odd and no dL/dc2 tells the signs. Derivation: docs/theory/layer-pairs.md.

    The settings are those of `LimitedAttack`.
    """

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `Attack.check`.

        Raises:
            LayerError: there is no such layer, no elementwise activation and linear layer follow
                it, or nothing is known of the activation.
            VictimError: the network does not take inputs of the domain's shape, or takes tokens.
            InvalidObservation: the activation is piecewise linear.
        """
        check_takes_numbers(network)
        pair = unbiased_pair_at(linear_layers(network, domain.shape), self.layer)
        _check_smooth(pair.activation(dict(network.named_parameters())))

    def observe(self, update: Update) -> UnbiasedPair:
        """Implement `Attack.observe`.

        Raises:
            LayerError, InvalidObservation: see `Update.observe_unbiased_pair`.
        """
        check_update(update)
        return update.observe_unbiased_pair(self.layer)

    def __call__(
        self, observation: UnbiasedPair, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`.

        Raises:
            InvalidObservation: the activation is piecewise linear, or the next layer is not wider
                than the batch.
        """
        budget = Budget(self.limits.time_limit, progress)
        with torch.no_grad():
            problem = unbiased_problem(observation.to(self.limits.device), self.limits.rank)
            if isinstance(problem, Status):
                m, n = observation.weight.shape
                return Reconstruction.empty(m, n, problem, budget.spent)
            return solved_by_activation(problem, seed, budget, self.limits.max_starts)


class FreeEngine:
    """Descends on forward consistency from rows of any scale."""

    def search(
        self, problem: PairProblem, generator: torch.Generator, slack: float = 1.0
    ) -> tuple[Samples, int]:
        """Implement `Engine.search`."""
        return forward_round(problem, generator, FreeRows.of(problem), slack)

    def renewed(self, problem: PairProblem, samples: Samples) -> Samples:
        """Implement `Engine.renewed`."""
        rows, _ = solved_rows(problem, samples.rows, space=FreeRows.of(problem))
        return samples_of_rows(problem, rows)[0]

    def sharpened(self, problem: PairProblem, samples: Samples) -> Samples:
        """Implement `Engine.sharpened`: there are no other equations."""
        return self.renewed(problem, samples)


def unbiased_problem(pair: UnbiasedPair, rank: int | None = None) -> PairProblem | Status:
    """Decompose both gradients of a pair without dL/dc1, behind a smooth activation.

    Raises:
        InvalidObservation: the activation is piecewise linear, or the next layer is not wider than
            the batch.
    """
    problem = _decomposed(pair, rank)
    if isinstance(problem, PairProblem):
        _check_smooth(problem.activation)
        _check_spans(problem)
    return problem


def free_problem(pair: UnbiasedPair, rank: int | None = None) -> PairProblem | Status:
    """Decompose both gradients of a pair without dL/dc1.

    Its s is of no meaning: G1 1, which is a combination of the columns of dL/dZ like any other.

    Raises:
        InvalidObservation: the next layer is not wider than the batch.
    """
    problem = _decomposed(pair, rank)
    if isinstance(problem, PairProblem):
        _check_spans(problem)
    return problem


def _decomposed(pair: UnbiasedPair, rank: int | None) -> PairProblem | Status:
    return pair_problem(pair.with_sum(_some_combination(pair.weight_gradient)), rank)


def _check_spans(problem: PairProblem) -> None:
    if not problem.spans_activations:
        raise InvalidObservation(
            f"the next layer's gradient has rank {problem.r} with {problem.b} inputs; without a "
            "bias gradient the attack expects equal numbers, that is, a next layer that is wider "
            "than the batch."
        )


def _check_smooth(activation: Elementwise) -> None:
    if activation.pieces is not None:
        raise InvalidObservation(
            f"the activation is {activation.name}, which does not tell the length of an input "
            "without a bias gradient; expected a smooth one, such as gelu, silu or tanh. Behind a "
            "relu, leaky_relu or prelu, attack a network without any bias by spear_pair_by_loss."
        )


def _some_combination(gradient: Tensor) -> Tensor:
    columns = gradient.shape[1]
    signs = torch.randn(columns, generator=torch.Generator().manual_seed(0)).to(gradient)
    return gradient @ signs


def unfinished(samples: Samples) -> Tensor:
    """Q (b x b) of some samples, first, with the lengths of their rows, completed to a basis."""
    filled = completed(unit(samples.directions), samples.rows)
    known = filled[: len(samples)]
    filled[: len(samples)] = known / (samples.rows * known).sum(dim=1, keepdim=True)
    return filled.T


def solved_by_activation(
    problem: PairProblem, seed: int, budget: Budget, max_starts: float
) -> Reconstruction:
    """Search for the samples of a pair, any length allowed, and judge them.

    Args:
        problem: the pair, behind a smooth activation.
        seed: of the starts.
        budget: of the search.
        max_starts: starts after which it gives up.
    """
    search = Peeling(problem, FreeEngine(), seed)
    status = run(search, budget, max_starts)
    samples = search.known
    details = {"rounds": float(search.rounds), "starts": float(search.starts)}
    if search.solved:
        found = judged(problem, refit(problem, samples.rows, sums=False))
        disaggregation, status = found.disaggregation, found.status
        details |= {"residual": found.evidence.largest}
        if status in (Status.EXACT, Status.APPROXIMATE):
            details |= {RESTS_ON_ACTIVATION: 1.0}
            details |= {SIGNS_OPEN: 1.0} if found.signs_open else {}
    else:
        disaggregation = unfinished(samples)
    return Reconstruction(
        inputs=torch.linalg.solve(disaggregation, problem.first.right).cpu(),
        activation_gradients=(problem.left @ disaggregation).cpu(),
        disaggregation=disaggregation.cpu(),
        sparsity_matching=float("nan"),
        n_directions=len(samples),
        submatrices=0,
        seconds=budget.spent,
        status=status,
        details=details,
    )
