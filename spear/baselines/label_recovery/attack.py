"""The label and the feature of a single sample from the gradient of the last layer alone."""

import math
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spear.attack import ProgressCallback
from spear.baselines.label_recovery.lambda_search import GridSearch, LambdaSearch
from spear.baselines.label_recovery.variance import VarianceLoss
from spear.domain import Domain
from spear.errors import ConfigError, InvalidObservation
from spear.inversion.factors.rank import check_rank
from spear.inversion.labels.last_layer import LastLayer, check_last_layer
from spear.layers import LAST, linear_layers
from spear.reconstruction import Reconstruction, Status
from spear.settings import check_least
from spear.transformer import check_takes_numbers
from spear.update import Update


@dataclass(frozen=True)
class Recovered:
    """A single sample at a linear layer z = W x, the last one by default, float64 on the CPU.

    Attributes:
        label: y (K), of sum 1.
        feature: x, the layer's input (n).
        gradient: dL/dz (m); p - y at the last layer.
        details: lambda, the loss there and the number of evaluations, if it was searched for.
    """

    label: Tensor
    feature: Tensor
    gradient: Tensor
    details: dict[str, float]

    def reconstruction(self, seconds: float) -> Reconstruction:
        """The attack's reconstruction: a batch of one, estimated in `seconds`."""
        return Reconstruction(
            inputs=self.feature[None],
            activation_gradients=self.gradient[:, None],
            disaggregation=torch.ones(1, 1, dtype=torch.float64),
            sparsity_matching=math.nan,
            n_directions=1,
            submatrices=0,
            seconds=seconds,
            status=Status.ESTIMATED,
            details=self.details,
            labels=self.label[None],
        )


class LastLayerAttack(ABC):
    """Common part of attacks on the label of a single sample.

    They see the last layer's parameters and the gradient of these, and return its input.

    Args:
        rank: 1 for a single sample whatever the singular values of the gradient say.

    Raises:
        ConfigError: another rank.
    """

    layer = LAST
    given_labels = False

    def __init__(self, rank: int | None = None) -> None:
        check_rank(rank)
        if rank not in (None, 1):
            raise ConfigError(
                f"rank is {rank}, but this attack recovers the label of a single sample; "
                "expected 1, or null for an estimate."
            )
        self.rank = rank

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`.

        Raises:
            LayerError: the network does not end with a linear layer.
            VictimError: it takes tokens.
        """
        check_takes_numbers(network)
        check_last_layer(linear_layers(network, domain.shape))

    def observe(self, update: Update) -> LastLayer:
        """Implement `spear.attack.Attack`.

        Raises:
            SpearError: see `LastLayer.of`.
        """
        return LastLayer.of(update)

    def __call__(
        self, observation: LastLayer, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`; `labels` has the recovered one.

        Raises:
            InvalidObservation: the gradient is that of several samples.
        """
        began = time.perf_counter()
        found = self.recover(observation, seed)
        seconds = time.perf_counter() - began
        if found is None:
            m, n = observation.weight.shape
            return Reconstruction.empty(m, n, Status.ZERO_GRADIENT, seconds)
        return found.reconstruction(seconds)

    @abstractmethod
    def recover(self, layer: LastLayer, seed: int = 0) -> Recovered | None:
        """The sample's label and feature; None where the gradient is zero.

        Raises:
            InvalidObservation: the gradient is that of several samples.
        """


def recovered(attack: LastLayerAttack, update: Update) -> Recovered:
    """Label and feature that an attack recovers from an update, for further use by another attack.

    Raises:
        SpearError: see `LastLayer.of`.
        InvalidObservation: the gradient is that of several samples, or zero.
    """
    found = attack.recover(attack.observe(update))
    if found is None:
        raise InvalidObservation(
            "the gradient of the last layer is zero, so that no label can be recovered from it."
        )
    return found


class LabelRecovery(LastLayerAttack):
    """Recovers any label, hard or soft, with the layer's input: no bias is needed, no label given.

    For a single sample dL/dW = (p - y) x^T, so that x = lambda u for a known unit vector u. One
    unknown scalar is left. The gradient of a bias, which is p - y, determines it: x = dL/dW^T
    (p - y) / |p - y|^2. Without a bias, lambda makes all but a few entries of y = p - (p - y)
    equal (`VarianceLoss`), as in labels that are hard, smoothed or mixed. Wang et al.
    (ICLR 2024, arXiv 2402.03124), who search by L-BFGS and a particle swarm.

    Args:
        unequal: entries of the label that may differ from the others: 2 for mixtures of two; 1 if
            the client is known not to mix.
        lambda_search: how lambda is found; `GridSearch` unless given.
        rank: as of `LastLayerAttack`.

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self,
        unequal: int = 2,
        lambda_search: LambdaSearch | None = None,
        rank: int | None = None,
    ) -> None:
        super().__init__(rank)
        check_least(1, unequal=unequal)
        self.unequal = unequal
        self.lambda_search = lambda_search or GridSearch()

    def recover(self, layer: LastLayer, seed: int = 0) -> Recovered | None:
        """Implement `LastLayerAttack`.

        Raises:
            InvalidObservation: several samples, or too few classes to compare without a bias.
        """
        single = layer.single(self.rank)
        if single is None:
            return None
        if layer.bias_gradient is not None:
            gradient = layer.bias_gradient.double()
            feature = layer.weight_gradient.double().T @ gradient / gradient.square().sum()
            label = layer.logits(feature[None])[0].softmax(dim=0) - gradient
            return Recovered(label.cpu(), feature.cpu(), gradient.cpu(), {})
        loss = VarianceLoss(layer, single, self.unequal)
        found = self.lambda_search(loss, seed)
        details = {"lambda": found, "evaluations": float(loss.evaluations)}
        details["loss"] = loss.at(found)
        return Recovered(
            loss.label(found),
            (found * single.direction).cpu(),
            (single.gradient / found).cpu(),
            details,
        )


class SignRecovery(LastLayerAttack):
    """Recovers a hard label by signs, as iDLG does (Zhao et al., 2020, arXiv 2001.02610).

    For a hard label, only the entry of its class in p - y is negative. The gradient of a bias shows
    this entry; without a bias, the row of dL/dW whose product with every other row is negative
    shows the class. A soft label has several such entries. One of them is returned, as if it were
    hard.

    The layer's input is that class's row divided by its entry if there is a bias. Without a bias,
    its length is not known, and the negative row itself is returned.

    Args:
        rank: as of `LastLayerAttack`.
    """

    def recover(self, layer: LastLayer, seed: int = 0) -> Recovered | None:
        """Implement `LastLayerAttack`; nothing in it is random."""
        if layer.single(self.rank) is None:
            return None
        rows = layer.weight_gradient.double().cpu()
        if layer.bias_gradient is not None:
            entries = layer.bias_gradient.double().cpu()
            hard = int(entries.argmin())
            feature = rows[hard] / entries[hard]
        else:
            opposed = (rows @ rows.T < 0).sum(dim=1)
            hard = int(opposed.argmax())
            feature = -rows[hard]
        label = nn.functional.one_hot(torch.tensor(hard), layer.n_classes).double()
        return Recovered(label, feature, rows @ feature / feature.square().sum(), {})
