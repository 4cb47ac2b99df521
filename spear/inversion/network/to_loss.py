"""Layer pairs, and the loss for what they leave open: inputs that have no kink."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from spear.attack import ProgressCallback
from spear.budget import Budget
from spear.chains import chain_around
from spear.domain import Domain
from spear.errors import LayerError
from spear.inversion.directions.scale import fix_scale, is_regular
from spear.inversion.factors.gram import unit
from spear.inversion.network.by_loss import check_hard_labels
from spear.inversion.network.consistency import EXPLAINED
from spear.inversion.network.mixture import Unmixed, labels_by_gradients, unmixed
from spear.inversion.network.reproduction import unreproduced
from spear.inversion.pair.attack import SpearPair
from spear.inversion.pair.beside import linear_directions
from spear.inversion.pair.finish import unfinished
from spear.inversion.pair.isolation import HIDDEN
from spear.inversion.pair.kinkless import (
    beside_search,
    with_exact_directions,
    without_kinked,
)
from spear.inversion.pair.limits import LimitedAttack
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.inversion.pair.proof import evidence, verdict_but_for_scale
from spear.inversion.pair.search import run
from spear.layers import linear_layers
from spear.observation import LayerChain
from spear.reconstruction import TOLD_APART_BY_LOSS, Reconstruction, Status
from spear.transformer import check_takes_numbers
from spear.update import Update, check_update


class SpearPairToLoss(LimitedAttack):
    """Finds the batch of a layer pair, and asks the loss where the pair leaves a mixture.

    Behind a hardtanh two inputs whose z all lie in the linear piece have the gradients of their
    mixtures. The layers up to the outputs and the cross-entropy tell them apart. Elsewhere the
    attack is `SpearPair`. Derivation: docs/theory/layer-pairs.md.

    The settings are those of `LimitedAttack`.
    """

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `Attack.check`.

        Raises:
            LayerError: the layer does not lead to the outputs through linear layers with biases and
                elementwise activations between them.
            VictimError: the network does not take inputs of the domain's shape, or takes tokens.
        """
        check_takes_numbers(network)
        layers = linear_layers(network, domain.shape)
        _check_leads_to_outputs(self.layer, chain_around(layers, self.layer)[-1].is_last)

    def observe(self, update: Update) -> LayerChain:
        """Implement `Attack.observe`.

        Raises:
            LayerError, InvalidObservation: see `Update.observe_chain`.
            VictimError: the loss is not the mean cross-entropy of hard labels.
        """
        check_update(update)
        check_hard_labels(update.loss)
        chain = update.observe_chain(self.layer)
        _check_leads_to_outputs(self.layer, chain.to_loss)
        return LayerChain(
            chain.layers[chain.wanted :], chain.activations[chain.wanted :], 0, to_loss=True
        )

    def __call__(
        self, observation: LayerChain, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `Attack.__call__`.

        `details` has those of `SpearPair`, and the number of inputs that the loss tells apart.
        """
        budget = Budget(self.limits.time_limit, progress)
        with torch.no_grad():
            chain = observation.to(self.limits.device)
            problem = pair_problem(chain.pair(0), self.limits.rank)
            if isinstance(problem, Status):
                m, n = chain.layers[0].weight.shape
                return Reconstruction.empty(m, n, problem, budget.spent)
            count = _without_kink(problem)
            if count < 2 or problem.noisy:
                return SpearPair(max_starts=self.limits.max_starts).reconstruct(
                    problem, seed, budget
                )
            return _reconstructed(chain, problem, count, self.limits.max_starts, seed, budget)


def _check_leads_to_outputs(layer: int, leads: bool) -> None:
    if not leads:
        raise LayerError(
            f"layer is {layer}, which does not lead to the network's outputs; expected linear "
            "layers with biases, and one elementwise activation between each two, up to them. "
            "Attack that layer by spear_pair."
        )


def _without_kink(problem: PairProblem) -> int:
    """Number of samples whose z all lie in the inner piece of a piecewise linear activation."""
    return 0 if problem.activation.pieces is None else len(linear_directions(problem)[0])


@dataclass(frozen=True)
class _Whole:
    """All samples of a batch.

    Attributes:
        disaggregation: Q (b x b), the samples that the loss tells apart last.
        told_apart: these.
        labels: of all samples (b).
        batch_size: N, by which the mean loss divides.
    """

    disaggregation: Tensor
    told_apart: Unmixed
    labels: Tensor
    batch_size: float


def _reconstructed(
    chain: LayerChain,
    problem: PairProblem,
    count: int,
    max_starts: float,
    seed: int,
    budget: Budget,
) -> Reconstruction:
    """Search for the samples with a kink, and then for the mixture of the `count` others."""
    search = beside_search(problem, count, seed)
    status = run(search, budget, max_starts)
    details = {"rounds": float(search.rounds), "starts": float(search.starts)}
    kinked = search.kinked
    whole = _whole(chain, problem, kinked, count, seed) if search.solved else None
    labels = None
    if whole is None:
        disaggregation = unfinished(problem, kinked)
    else:
        disaggregation = whole.disaggregation
        status, residual = _judged(chain, problem, whole)
        details |= {"residual": residual, TOLD_APART_BY_LOSS: float(len(whole.told_apart.rows))}
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
    chain: LayerChain, problem: PairProblem, kinked: Samples, count: int, seed: int
) -> _Whole | None:
    """All samples, from those with a kink; None if the loss does not tell the others."""
    kinked = with_exact_directions(problem, kinked, count)
    rest = without_kinked(problem, kinked)
    inputs, gradients = kinked.rows @ problem.first.right, kinked.directions @ problem.left.T
    labels, size = labels_by_gradients(chain, inputs, gradients)
    size = size or float(problem.b)
    generator = torch.Generator(device=problem.left.device).manual_seed(seed)
    found = unmixed(chain, rest.problem, size, generator)
    if found is None:
        return None
    others = rest.direction_map @ torch.linalg.inv(found.rows)
    directions = unit(torch.cat([kinked.directions, others.T])).T
    if not is_regular(directions):
        return None
    disaggregation = fix_scale(problem.first, directions)
    return _Whole(disaggregation, found, torch.cat([labels, found.labels]), size)


def _judged(chain: LayerChain, problem: PairProblem, whole: _Whole) -> tuple[Status, float]:
    """The verdict on a batch, and its largest relative residual in the pair."""
    shown = evidence(problem, whole.disaggregation)
    status = verdict_but_for_scale(problem, shown, mixed=len(whole.told_apart.rows))
    inputs = torch.linalg.solve(whole.disaggregation, problem.first.right)
    if unreproduced(chain, 0, inputs, whole.labels, whole.batch_size) > EXPLAINED:
        status = Status.PARTIAL
    if status is Status.EXACT and not bool((whole.told_apart.errors < HIDDEN).all()):
        status = Status.APPROXIMATE
    return status, shown.largest
