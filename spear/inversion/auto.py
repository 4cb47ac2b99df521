"""The default attack: one layer, or the layer pairs around it, by what the network has."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import nn

from spear.attack import ProgressCallback
from spear.budget import Budget
from spear.chains import chain_around, is_unbiased
from spear.domain import Domain
from spear.errors import InvalidObservation, LayerError
from spear.inversion.descent import SpearIrls
from spear.inversion.descent.cascade import Cascade
from spear.inversion.factors.factorization import Factorization, factorize
from spear.inversion.network import SpearNetwork
from spear.inversion.pair.limits import LimitedAttack
from spear.layers import LinearLayer, Sparsity, linear_layers, numbered
from spear.observation import LayerChain, Observation
from spear.reconstruction import RESTS_ON_BIASES, Reconstruction, Status
from spear.tracing.neighbours import described
from spear.transformer import check_takes_numbers
from spear.update import Update, check_update

Part = TypeVar("Part")
Attempt = Callable[[int, Budget], Reconstruction]
"""Function of a seed and a budget."""

FEW = 24
"""Largest batch that one round of descents usually solves."""

WIDE = 8
"""Neurons for each input from which it does. Below, a layer pair is faster."""

LOOK = 4
"""The row cascade's look may take 1 / LOOK of the time, as both attacks come after it."""

FINAL = (Status.EXACT, Status.APPROXIMATE)


@dataclass(frozen=True)
class LayerAndChain:
    """Observation of a layer and of those in a row with it.

    Attributes:
        layer: its own part; None unless it has a bias and a ReLU follows it.
        chain: the layers in a row with it; None unless it belongs to a layer pair.
    """

    layer: Observation | None
    chain: LayerChain | None


class SpearAuto(LimitedAttack):
    """Finds the inputs of a layer by the attack that suits the network and the update.

    * A layer that only a ReLU follows: descent on its own gradient (`SpearIrls`).
    * A layer in a layer pair, behind any other activation or without a bias: the pairs in a row
      with it (`SpearNetwork`).
    * Both: descent first for a small batch in front of the first of these layers, which it solves
      in one round, for a larger one there that the row cascade solves, such as of pixels, and for
      updates with noise or after local steps, which pairs bear less well; the pairs first for
      others. The second one follows if the first fails, or if the lengths of the descent's inputs
      rest on the bias gradients alone: they are exact only if the pairs agree.

    The settings are those of `LimitedAttack`; both attacks share `time_limit`.
    """

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `Attack.check`.

        Raises:
            LayerError: there is no such layer, or neither a ReLU follows it nor a layer pair has
                it.
            VictimError: the network does not take inputs of the domain's shape.
        """
        check_takes_numbers(network)
        self._suits(linear_layers(network, domain.shape))

    def observe(self, update: Update) -> LayerAndChain:
        """Implement `Attack.observe`.

        Raises:
            LayerError: see `check`; or what the attack needs is frozen.
            InvalidObservation: an update that the attack needs is not finite.
        """
        check_update(update)
        has_relu, has_pair = self._suits(update.layers)
        refusals: list[LayerError | InvalidObservation] = []

        def seen(observe: Callable[[Update], Part]) -> Part | None:
            try:
                return observe(update)
            except (LayerError, InvalidObservation) as refusal:
                refusals.append(refusal)
                return None

        layer = seen(SpearIrls(self.layer).observe) if has_relu else None
        chain = seen(SpearNetwork(self.layer).observe) if has_pair else None
        if layer is None and chain is None:
            raise refusals[0]
        return LayerAndChain(layer, chain)

    def __call__(
        self, observation: LayerAndChain, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `Attack.__call__`.

        `details` has those of the attack whose result this is: `certified` of the descent, `solved`
        of the layer pairs.

        Raises:
            InvalidObservation: no attack can begin; see `SpearIrls` and `SpearNetwork`.
        """
        budget = Budget(self.limits.time_limit, progress)
        with torch.no_grad():
            attempts = self._attempts(observation, budget)
            return replace(first_final(attempts, seed, budget), seconds=budget.spent)

    def _suits(self, layers: tuple[LinearLayer, ...]) -> tuple[bool, bool]:
        """Whether the descent on one layer suits a network, and whether layer pairs do.

        Raises:
            LayerError: neither does.
        """
        layer = numbered(layers, self.layer)
        has_relu = Sparsity.GRADIENT in layer.sparsity and layer.module.bias is not None
        has_pair = len(chain_around(layers, self.layer)) > 1 or is_unbiased(layers, self.layer)
        if not has_relu and not has_pair:
            behind_relu = Sparsity.INPUT in layer.sparsity
            other = "attack=spear_input" if behind_relu else "attack=dlg or attack=geiping"
            raise LayerError(
                f"layer is {self.layer} ({layer.name}), and behind it: {described(*layer.after)}; "
                "expected a layer with a bias and a ReLU behind it, or one elementwise activation "
                f"and then a linear layer, before or behind it. Attack it by {other}."
            )
        return has_relu, has_pair

    def _attempts(self, observation: LayerAndChain, budget: Budget) -> list[Attempt]:
        """The attacks in the order in which they are tried."""
        limits, attempts = self.limits, []
        chain = observation.chain and observation.chain.to(limits.device)
        layer = observation.layer and observation.layer.to(limits.device)
        problem = None if layer is None else factorize(layer, limits.rank)
        if chain is not None:
            network = SpearNetwork(self.layer, None, limits.max_starts, limits.rank, limits.device)
            attempts.append(lambda seed, budget: network.reconstruct(chain, seed, budget, problem))
        if layer is not None and problem is not None:
            descent = SpearIrls(self.layer, None, limits.max_starts)
            place = 0 if chain is None or descent_suits(problem, chain, budget) else 1
            attempts.insert(
                place,
                lambda seed, budget: (
                    Reconstruction.empty(layer.m, layer.n, problem, budget.spent)
                    if isinstance(problem, Status)
                    else descent.reconstruct(problem, seed, budget)
                ),
            )
        return attempts


def descent_suits(problem: Factorization | Status, chain: LayerChain, budget: Budget) -> bool:
    """Return whether the descent on one layer is tried before the layer pairs.

    Args:
        problem: the layer's gradient in factors, or the status that says why there are none.
        chain: the layers around it.
        budget: whose end ends the question, too.
    """
    if isinstance(problem, Status):
        return problem is Status.ZERO_GRADIENT
    if problem.noise.white or chain.wanted > 0:
        return problem.noise.white
    few = is_easy(problem.b, len(problem.left))
    return few or cascade_solves(problem, budget.share(LOOK))


def cascade_solves(problem: Factorization, budget: Budget) -> bool:
    """Return whether the row cascade, with which a descent begins, solves a large batch.

    It takes a few hundredths of the time of layer pairs.

    Args:
        problem: the layer's gradient in factors.
        budget: after which the answer is no.
    """
    return problem.b > FEW and len(Cascade(problem, budget.over)()) == problem.b


def is_easy(b: int, m: int) -> bool:
    """Return whether one round of descents usually solves a batch of b in front of m neurons."""
    return b <= FEW and WIDE * b <= m


def first_final(attempts: list[Attempt], seed: int, budget: Budget) -> Reconstruction:
    """Return the first result that needs no other, or else the best.

    Args:
        attempts: at least one; each has an equal share of the time that is left.
        seed: of each.
        budget: of all.

    Raises:
        InvalidObservation: every attempt is refused; that of the first.
    """
    found: list[Reconstruction] = []
    refusals: list[InvalidObservation] = []
    for number, attempt in enumerate(attempts):
        try:
            found.append(attempt(seed, budget.share(len(attempts) - number)))
        except InvalidObservation as refusal:
            refusals.append(refusal)
            continue
        if found[-1].status in FINAL and not _rests_on_one_layer(found[-1]):
            break
    if not found:
        raise refusals[0]
    best = max(found, key=_worth)
    unconfirmed = len(attempts) > 1 and _rests_on_one_layer(best)
    return replace(best, status=Status.APPROXIMATE) if unconfirmed else best


def _rests_on_one_layer(found: Reconstruction) -> bool:
    """Tell whether lengths rest on the bias gradient of one layer, which pairs can confirm."""
    return bool(found.details.get(RESTS_ON_BIASES)) and "solved" not in found.details


def _worth(found: Reconstruction) -> tuple[bool, bool, bool, float]:
    """Order of results: proven, by pairs if one layer is not enough, to noise, by directions."""
    return (
        found.status is Status.EXACT,
        not _rests_on_one_layer(found),
        found.status is Status.APPROXIMATE,
        found.details.get("certified", found.n_directions),
    )
