"""Layer pairs to attack, with all that a server does not hold, in the coordinates of the search."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from spear.client.client import Client
from spear.data.base import Batch
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.networks import fcnn
from spear.observation import LayerPair
from spear.scoring import truth_of

SMOOTH = ["elu", "selu", "celu", "softplus", "gelu", "silu", "mish", "tanh", "sigmoid", "hardswish"]
PIECEWISE = ["relu", "leaky_relu", "prelu", "relu6", "hardtanh"]
ALL = [*PIECEWISE, *SMOOTH]
"""Every activation of `spear.activations`, by its name in `spear.networks`."""


@dataclass(frozen=True)
class PairCase:
    """A layer pair and the batch behind it.

    Attributes:
        network, batch: of the client.
        pair: what the server holds.
        inputs: X^T of the first layer (b x n).
        gradients: dL/dZ1 (m x b).
        next_gradients: D2 (K x b).
    """

    network: nn.Module
    batch: Batch
    pair: LayerPair
    inputs: Tensor
    gradients: Tensor
    next_gradients: Tensor

    @property
    def b(self) -> int:
        return len(self.inputs)

    @property
    def z(self) -> Tensor:
        """Pre-activations of the first layer, a row a sample (b x m)."""
        first = self.pair.first
        return self.inputs @ first.weight.double().T + first.bias.double()

    @cached_property
    def problem(self) -> PairProblem:
        found = pair_problem(self.pair)
        assert isinstance(found, PairProblem), found
        return found

    @cached_property
    def disaggregation(self) -> Tensor:
        """Q = L^+ dL/dZ (b x b)."""
        return torch.linalg.lstsq(self.problem.left, self.gradients).solution

    @cached_property
    def rows(self) -> Tensor:
        """P = Q^-1 (b x b)."""
        return torch.linalg.inv(self.disaggregation)

    @cached_property
    def next_coordinates(self) -> Tensor:
        """E of D2 = U2 E, a row a sample (b x r)."""
        gradient = self.problem.next_values[:, None] * self.problem.activations
        a = self.problem.activation.value(self.z)
        return torch.linalg.lstsq(a.T, gradient.T).solution

    @property
    def samples(self) -> Samples:
        return Samples(self.rows, self.disaggregation.T, self.next_coordinates)

    def of(self, kept: Sequence[int]) -> "PairCase":
        """The pair made from the gradients of some of the samples alone."""
        index = list(kept)
        gradients, nexts = self.gradients[:, index], self.next_gradients[:, index]
        inputs = self.inputs[index]
        a = self.pair.activation.value(self.z[index])
        first = replace(
            self.pair.first, weight_gradient=gradients @ inputs, bias_gradient=gradients.sum(dim=1)
        )
        pair = replace(
            self.pair,
            first=first,
            next_weight_gradient=nexts @ a,
            next_bias_gradient=nexts.sum(dim=1),
        )
        batch = Batch(self.batch.inputs[index], self.batch.labels[index])
        return PairCase(self.network, batch, pair, inputs, gradients, nexts)


def pair_case(
    activation: str | nn.Module,
    b: int = 4,
    m: int = 60,
    n: int = 40,
    classes: int = 10,
    depth: int = 3,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    biases: bool = True,
    scale: float = 1.0,
) -> PairCase:
    """The gradients of normal inputs at the first two layers.

    Args:
        activation: of each hidden layer.
        b, m, n, classes: inputs of the batch, neurons of each hidden layer, entries of an input,
            outputs.
        depth: linear layers; with 2 of them the next layer is the last, of rank `classes` - 1 at
            most.
        dtype: in which the client computes.
        biases: whether the biases are other than 0; their gradients are shared either way.
        scale: of the inputs.
    """
    generator = torch.Generator().manual_seed(seed)
    inputs = scale * torch.randn(b, n, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (b,), generator=generator)
    network = fcnn((n,), classes, width=m, depth=depth, seed=seed, activation=activation)
    if not biases:
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
    network = network.to(dtype)
    client = Client(network)
    batch = Batch(inputs.to(dtype), labels)
    update = client.share(batch)
    truth, following = truth_of(client, batch, 1), truth_of(client, batch, 2)
    return PairCase(
        network,
        batch,
        update.observe_pair(1),
        truth.inputs.double(),
        truth.activation_gradients.double(),
        following.activation_gradients.double(),
    )


def worst_psnr(found: Tensor, true: Tensor) -> float:
    """PSNR in dB of the worst of the true inputs, each matched to the nearest one found."""
    errors = torch.cdist(true.double(), found.double()).amin(dim=1) / true.shape[1] ** 0.5
    span = float(true.max() - true.min())
    return float(20 * torch.log10(span / errors.max()))


def relative(found: Tensor, true: Tensor) -> float:
    """|found - true| / |true|."""
    return float((found - true).norm() / true.norm())


def noisy(pair: LayerPair, relative: float, seed: int = 0) -> LayerPair:
    """Independent noise of one deviation in every entry of all four gradients, as DP-SGD has it."""
    generator = torch.Generator().manual_seed(seed)
    deviation = relative * float(pair.first.weight_gradient.square().mean().sqrt())

    def moved(value: Tensor) -> Tensor:
        return value + deviation * torch.randn(value.shape, generator=generator).to(value)

    assert pair.next_bias_gradient is not None
    first = replace(
        pair.first,
        weight_gradient=moved(pair.first.weight_gradient),
        bias_gradient=moved(pair.first.bias_gradient),
    )
    return replace(
        pair,
        first=first,
        next_weight_gradient=moved(pair.next_weight_gradient),
        next_bias_gradient=moved(pair.next_bias_gradient),
    )
