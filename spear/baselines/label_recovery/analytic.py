"""A single input of a fully connected ReLU network from its gradient, layer by layer."""

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import NoReturn

import torch
from torch import Tensor, nn

from spear.attack import ProgressCallback
from spear.baselines.label_recovery.attack import LabelRecovery, Recovered
from spear.domain import Domain
from spear.errors import LayerError
from spear.inversion.labels.last_layer import LastLayer
from spear.layers import LinearLayer, activation_between, linear_layers
from spear.reconstruction import Reconstruction, Status
from spear.tracing.activations import RELU
from spear.tracing.neighbours import Station, described
from spear.update import Update
from spear.whole_update import WholeUpdateAttack


class AnalyticInversion(WholeUpdateAttack):
    """Recovers label and feature at the last layer, then the input of every layer before it.

    Let h be the input of a layer z = W h. For a single sample dL/dW = (dL/dz) h^T, so that h =
    dL/dW^T (dL/dz) / |dL/dz|^2; and the layer before it, whose ReLU made h, has dL/dz = W^T
    (dL/dz) where h > 0, and 0 elsewhere. From the last layer, where label recovery gives h and
    dL/dz = p - y, this leads down to the network's input. No bias is needed. Wang et al. (ICLR
    2024, arXiv 2402.03124), who take quotients instead of least squares.

    Args:
        recovery: of the label; `LabelRecovery` unless given.
    """

    layer = 1
    given_labels = False

    def __init__(self, recovery: LabelRecovery | None = None) -> None:
        self.recovery = recovery or LabelRecovery()

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`.

        Raises:
            LayerError: the network is not a chain of linear layers and ReLUs ending with a linear
                one.
        """
        super().check(network, domain)
        self.recovery.check(network, domain)
        _check_chain(linear_layers(network, domain.shape))

    def __call__(
        self, observation: Update, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`. `labels` has the label; `details` as of the recovery.

        Raises:
            SpearError: as of `check`, or of the recovery.
        """
        began = time.perf_counter()
        found = self.recovery.recover(LastLayer.of(observation), seed)
        if found is None:
            seconds = time.perf_counter() - began
            m, n = observation.dimensions(self.layer)
            return Reconstruction.empty(m, n, Status.ZERO_GRADIENT, seconds)
        inputs, gradient = found.feature, found.gradient
        for after, before in pairwise(reversed(observation.layers)):
            arriving = after.module.weight.detach().double().cpu().T @ gradient
            gradient = torch.where(inputs > 0, arriving, 0.0)
            inputs = _received(observation.folded.gradients[f"{before.name}.weight"], gradient)
        sample = Recovered(found.label, inputs, gradient, found.details)
        return sample.reconstruction(time.perf_counter() - began)


def _received(weight_gradient: Tensor, gradient: Tensor) -> Tensor:
    """The h of least |dL/dW - (dL/dz) h^T|; 0 where no neuron was active."""
    mixed = weight_gradient.double().cpu().T @ gradient
    return mixed / gradient.square().sum().clamp_min(torch.finfo(torch.float64).tiny)


def _check_chain(layers: Sequence[LinearLayer]) -> None:
    """Refuse a network other than a chain of linear layers with a ReLU between any two.

    Raises:
        LayerError: naming what else is there.
    """
    first = layers[0]
    if first.before != {Station.INPUTS}:
        _refuse(f"{described(*first.before)} before its first linear layer ({first.name})")
    for layer, following in pairwise(layers):
        if activation_between(layer, following) != RELU:
            found = described(*layer.after, *(layer.beyond - {Station.LINEAR}))
            _refuse(f"{found} between its linear layers {layer.name} and {following.name}")


def _refuse(found: str) -> NoReturn:
    raise LayerError(
        f"the network has {found}, but analytic inversion goes back through linear layers with a "
        "ReLU and nothing else between any two of them; choose a fully connected ReLU network "
        "(network=fcnn), or LabelRecovery (attack=label_recovery), which looks at the last layer "
        "alone."
    )
