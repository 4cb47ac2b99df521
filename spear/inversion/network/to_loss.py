"""Layer pairs, and the loss for what they leave open: inputs that have no kink."""

import torch
from torch import nn

from spear.attack import ProgressCallback
from spear.budget import Budget
from spear.chains import chain_around
from spear.domain import Domain
from spear.errors import LayerError
from spear.inversion.network.by_loss import check_hard_labels
from spear.inversion.network.told_apart import needs_the_loss, told_apart_by_loss
from spear.inversion.pair.attack import SpearPair
from spear.inversion.pair.limits import LimitedAttack
from spear.inversion.pair.problem import pair_problem
from spear.layers import linear_layers
from spear.observation import LayerChain
from spear.pairs import pair_at
from spear.reconstruction import Reconstruction, Status
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
            LayerError: the layer is in no layer pair, or does not lead to the outputs through
                linear layers with biases and elementwise activations between them.
            VictimError: the network does not take inputs of the domain's shape, or takes tokens.
        """
        check_takes_numbers(network)
        layers = linear_layers(network, domain.shape)
        pair_at(layers, self.layer)
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
        return chain.from_place(chain.wanted)

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
            if needs_the_loss(chain, problem):
                return told_apart_by_loss(chain, problem, self.limits.max_starts, seed, budget)
            return SpearPair(max_starts=self.limits.max_starts).reconstruct(problem, seed, budget)


def _check_leads_to_outputs(layer: int, leads: bool) -> None:
    if not leads:
        raise LayerError(
            f"layer is {layer}, which does not lead to the network's outputs; expected linear "
            "layers with biases, and one elementwise activation between each two, up to them. "
            "Attack that layer by spear_pair."
        )
