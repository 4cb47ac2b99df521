"""Exact inversion behind ReLUs without any bias: the loss fixes the length of each input."""

from dataclasses import replace

import torch
from torch import nn

from spear.activations.elementwise import Elementwise
from spear.activations.named import elementwise
from spear.attack import ProgressCallback
from spear.budget import Budget
from spear.chains import unbiased_chain_to_outputs
from spear.domain import Domain
from spear.errors import InvalidObservation, VictimError
from spear.inversion.directions.sparsity_matching import sparsity_matching
from spear.inversion.labels.last_layer import check_mean_cross_entropy
from spear.inversion.network.loss_proof import judged_by_loss
from spear.inversion.pair.any_sign import AnySign
from spear.inversion.pair.choice import ENGINES, suitable
from spear.inversion.pair.limits import LimitedAttack
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.search import run
from spear.inversion.pair.solver import Peeling
from spear.inversion.pair.unbiased import free_problem, unfinished
from spear.layers import linear_layers
from spear.observation import LayerChain
from spear.reconstruction import Reconstruction, Status
from spear.transformer import check_takes_numbers
from spear.update import Update, check_update


class SpearPairByLoss(LimitedAttack):
    """Finds the batch behind layers without biases and ReLUs, or leaky ones, up to the loss.

    The layer pair gives the direction of each input, and the cross-entropy its length and label.
    `details` says so: `scale_by_loss`, or `lengths_open` with two classes, of which several lengths
    may have the same gradient. Derivation: docs/theory/layer-pairs.md.

    The settings are those of `LimitedAttack`.
    """

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `Attack.check`.

        Raises:
            LayerError: the layer does not lead to the outputs through linear layers without biases
                and elementwise activations between them.
            VictimError: the network does not take inputs of the domain's shape, or takes tokens.
            InvalidObservation: an activation is not homogeneous.
        """
        check_takes_numbers(network)
        chain = unbiased_chain_to_outputs(linear_layers(network, domain.shape), self.layer)
        parameters = dict(network.named_parameters())
        for each in chain[:-1]:
            assert each.activation is not None
            check_homogeneous(elementwise(each.activation, parameters))

    def observe(self, update: Update) -> LayerChain:
        """Implement `Attack.observe`.

        Raises:
            LayerError, InvalidObservation: see `Update.observe_to_outputs`.
            VictimError: the loss is not the mean cross-entropy of hard labels.
        """
        check_update(update)
        check_hard_labels(update.loss)
        return update.observe_to_outputs(self.layer)

    def __call__(
        self, observation: LayerChain, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`; `labels` has the class of each input.

        Raises:
            InvalidObservation: an activation is not homogeneous, or the next layer is not wider
                than the batch.
        """
        budget = Budget(self.limits.time_limit, progress)
        for each in observation.activations:
            check_homogeneous(each)
        with torch.no_grad():
            chain = observation.to(self.limits.device)
            problem = free_problem(chain.unbiased_pair(0), self.limits.rank)
            if isinstance(problem, Status):
                m, n = chain.layers[0].weight.shape
                return Reconstruction.empty(m, n, problem, budget.spent)
            return solved_by_loss(chain, 0, problem, seed, budget, self.limits.max_starts)


def check_hard_labels(loss: nn.Module) -> None:
    """Refuse any loss but the mean cross-entropy of hard labels.

    Raises:
        VictimError: it is another one, or smooths labels.
    """
    check_mean_cross_entropy(loss)
    smoothing = getattr(loss, "label_smoothing", 0.0)
    if smoothing:
        raise VictimError(
            f"the loss smooths labels by {smoothing}; expected hard ones, by which alone the loss "
            "tells the lengths of inputs."
        )


def is_hard_cross_entropy(loss: nn.Module) -> bool:
    """Return whether a loss is the mean cross-entropy of hard labels."""
    try:
        check_hard_labels(loss)
    except VictimError:
        return False
    return True


def check_homogeneous(activation: Elementwise) -> None:
    """Refuse an activation of which sigma(t z) is not t sigma(z).

    Raises:
        InvalidObservation: it is another one.
    """
    if not activation.homogeneous:
        raise InvalidObservation(
            f"the activation is {activation.name}, behind which the loss does not tell the length "
            "of an input by itself; expected relu, leaky_relu or prelu between all layers. Attack "
            "the layer by spear_pair_unbiased."
        )


def solved_by_loss(
    chain: LayerChain,
    place: int,
    problem: PairProblem,
    seed: int,
    budget: Budget,
    max_starts: float,
) -> Reconstruction:
    """Search for the samples of a pair, and for their lengths.

    Args:
        chain: up to the logits, without biases.
        place: of the pair's first layer.
        problem: the pair.
        seed: of the starts.
        budget: of the search.
        max_starts: starts after which it gives up.
    """
    engine = ENGINES[suitable(problem.activation, problem.spans_activations)]()
    search = Peeling(problem, AnySign(engine), seed)
    status = run(search, budget, max_starts)
    details = {"rounds": float(search.rounds), "starts": float(search.starts)}
    labels = None
    if search.solved:
        judged = judged_by_loss(chain, place, problem, search.known)
        disaggregation, status, labels = judged.disaggregation, judged.status, judged.labels
        details |= judged.details
    else:
        disaggregation = unfinished(search.known)
    is_relu = problem.activation.name == "relu"
    found = Reconstruction(
        inputs=torch.linalg.solve(disaggregation, problem.first.right).cpu(),
        activation_gradients=(problem.left @ disaggregation).cpu(),
        disaggregation=disaggregation.cpu(),
        sparsity_matching=sparsity_matching(problem.first, disaggregation)
        if is_relu
        else float("nan"),
        n_directions=len(search.known),
        submatrices=0,
        seconds=budget.spent,
        status=status,
        details=details,
    )
    if labels is None:
        return found
    hard = torch.nn.functional.one_hot(labels, len(chain.layers[-1].weight))
    return replace(found, labels=hard.double().cpu())
