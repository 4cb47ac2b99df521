"""Exact inversion at any layer of a chain, through the layer pair that is solved most easily."""

from dataclasses import replace

import torch
from torch import nn

from spear.attack import ProgressCallback
from spear.budget import Budget
from spear.chains import chain_around, is_unbiased
from spear.domain import Domain
from spear.errors import LayerError
from spear.inversion.factors.factorization import Factorization
from spear.inversion.network.by_loss import is_hard_cross_entropy
from spear.inversion.network.through_a_pair import solved_through_a_pair
from spear.inversion.network.told_apart import needs_the_loss, told_apart_by_loss
from spear.inversion.network.unbiased import solved_without_biases
from spear.inversion.pair import SpearPair
from spear.inversion.pair.limits import LimitedAttack
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.inversion.pair.reconstruct import reconstruction_of
from spear.layers import linear_layers
from spear.observation import LayerChain
from spear.reconstruction import RESTS_ON_BIASES, Reconstruction, Status
from spear.transformer import check_takes_numbers
from spear.update import Update, check_update


class SpearNetwork(LimitedAttack):
    """Finds the inputs of any layer of a chain through the easiest of its layer pairs.

    Pairs are tried from the best conditioned gradient on. From the first one that is solved exactly
    the inputs of every other layer follow (`propagation`). Where a pair leaves a mixture of inputs
    open, the cross-entropy of hard labels tells them apart, if that is the loss and the layers lead
    to it (`told_apart`). In a network without biases the shape of a smooth activation or the loss
    fixes the lengths of inputs (`unbiased`). `details` says so if a result rests on the loss;
    labels are never given, but found.

    The settings are those of `LimitedAttack`; `layer` is the one whose inputs are reconstructed,
    and the pairs that are tried share `time_limit`.
    """

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `Attack.check`.

        Raises:
            LayerError: there is no such layer, or it belongs to no layer pair.
            VictimError: the network does not take inputs of the domain's shape.
        """
        check_takes_numbers(network)
        layers = linear_layers(network, domain.shape)
        chain = chain_around(layers, self.layer)
        if len(chain) == 1 and not is_unbiased(layers, self.layer):
            raise LayerError(
                f"layer is {self.layer} ({chain[0].name}), which belongs to no layer pair; "
                "expected a linear layer, one elementwise activation and a linear layer in a row, "
                "of which the first has a bias or none has."
            )

    def observe(self, update: Update) -> LayerChain:
        """Implement `Attack.observe`.

        Raises:
            LayerError, InvalidObservation: see `Update.observe_chain`.
        """
        check_update(update)
        chain = update.observe_chain(self.layer)
        return replace(chain, to_loss=chain.to_loss and is_hard_cross_entropy(update.loss))

    def __call__(
        self, observation: LayerChain, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `Attack.__call__`.

        `details` has those of the pair that was solved, and `solved`: the place of its first layer
        in the chain, counted from 1.

        Raises:
            InvalidObservation: in a network without biases nothing fixes the lengths of inputs, or
                no next layer is wider than the batch.
        """
        budget = Budget(self.limits.time_limit, progress)
        with torch.no_grad():
            return self.reconstruct(observation.to(self.limits.device), seed, budget)

    def reconstruct(
        self,
        chain: LayerChain,
        seed: int,
        budget: Budget,
        wanted: Factorization | Status | None = None,
    ) -> Reconstruction:
        """Reconstruct the inputs of a layer of a chain; see `__call__`.

        Args:
            chain: on the device of the search.
            seed: of the starts.
            budget: of this search; `seconds` of the result is what it has spent.
            wanted: `factorize` of the layer that is wanted, if it has been called.
        """
        if chain.layers[0].bias is None:
            return solved_without_biases(chain, self.limits, seed, budget)
        return self._solved(chain, seed, budget, wanted)

    def _solved(
        self, chain: LayerChain, seed: int, budget: Budget, wanted: Factorization | Status | None
    ) -> Reconstruction:
        rank = self.limits.rank
        problems = [
            pair_problem(chain.pair(k), rank, wanted if k == chain.wanted else None)
            for k in range(len(chain.activations))
        ]

        def solve(place: int, problem: PairProblem, share: Budget) -> Reconstruction:
            behind, most = chain.from_place(place), self.limits.max_starts
            if needs_the_loss(behind, problem):
                return told_apart_by_loss(behind, problem, most, seed, share)
            return SpearPair(max_starts=most).reconstruct(problem, seed, share)

        return solved_through_a_pair(chain, problems, solve, _backward, budget)


def _backward(problem: PairProblem, samples: Samples, found: Reconstruction) -> Reconstruction:
    details = _without_scale(found.details)
    there = reconstruction_of(problem, samples, Status.PARTIAL, details, found.seconds)
    if RESTS_ON_BIASES in found.details:
        return there
    return replace(there, details=_without_scale(there.details))  # one pair fixes it for all


def _without_scale(details: dict[str, float]) -> dict[str, float]:
    return {name: each for name, each in details.items() if name != RESTS_ON_BIASES}
