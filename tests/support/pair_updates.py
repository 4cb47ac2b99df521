"""Layer pairs to attack: a small network behind any activation, and what a client shares of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor, nn

from spear.activations.elementwise import Elementwise
from spear.activations.named import elementwise
from spear.observation import LayerPair, Observation
from spear.tracing.activations import Activation

N, M, NEXT, CLASSES = 64, 50, 40, 10
"""Inputs, neurons, neurons of the next layer of a deeper network, classes."""

MODULES: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": lambda: nn.PReLU(M),
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "elu": nn.ELU,
}
"""Activation by name."""


@dataclass(frozen=True)
class Victim:
    """A network and the activation of its first pair.

    Attributes:
        network: linear, activation, linear, and in a deeper one activation and linear.
        activation: the first.
    """

    network: nn.Sequential
    activation: Elementwise


@dataclass(frozen=True)
class Private:
    """A batch.

    Attributes:
        inputs: b x N.
        labels: b.
        weights: of each sample in the mean loss (b).
    """

    inputs: Tensor
    labels: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Shared:
    """What the server holds of a layer pair: parameters and gradients."""

    weight: Tensor
    bias: Tensor
    activation: Elementwise
    next_weight: Tensor
    weight_gradient: Tensor
    bias_gradient: Tensor
    next_weight_gradient: Tensor
    next_bias_gradient: Tensor | None

    @property
    def pair(self) -> LayerPair:
        """What the attack observes."""
        first = Observation(self.weight, self.bias, self.weight_gradient, self.bias_gradient)
        return LayerPair(
            first,
            self.next_weight,
            self.next_weight_gradient,
            self.activation,
            self.next_bias_gradient,
        )

    def changed(self, **changes: object) -> "Shared":
        """The same with some parts replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]


@cache
def victim(activation: str, deep: bool = False, biases: bool = True) -> Victim:
    """A network of a seed of its own; the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(len(activation))
        module = MODULES[activation]()
        if isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, 0.1, 0.4)
        behind = [nn.Linear(M, NEXT), nn.ReLU(), nn.Linear(NEXT, CLASSES)]
        network = nn.Sequential(
            nn.Linear(N, M), module, *(behind if deep else [nn.Linear(M, CLASSES)])
        )
        if not biases:
            for each in network:
                if isinstance(each, nn.Linear):
                    nn.init.zeros_(each.bias)
    settings = {"weight": "1.weight"} if activation == "prelu" else {}
    sigma = elementwise(Activation(activation, **settings), dict(network.named_parameters()))
    return Victim(network, sigma)


def private(b: int, seed: int = 0) -> Private:
    """A batch of standard normal inputs."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(b, N, generator=generator)
    labels = torch.randint(CLASSES, (b,), generator=generator)
    return Private(inputs, labels, torch.ones(b))


def share(victim: Victim, batch: Private) -> Shared:
    """The gradients of a batch in float32."""
    network = victim.network
    losses = nn.functional.cross_entropy(network(batch.inputs), batch.labels, reduction="none")
    loss = (losses * batch.weights).mean()
    first, following = network[0], network[2]
    parameters = (first.weight, first.bias, following.weight, following.bias)
    gradients = torch.autograd.grad(loss, parameters)
    return Shared(
        first.weight.detach(),
        first.bias.detach(),
        victim.activation,
        following.weight.detach(),
        *gradients,
    )
