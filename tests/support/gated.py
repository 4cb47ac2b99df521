"""A gated block with a head, and all that a server does not hold of its gradients."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spear.inversion.gated import GatedLayers, gated_layers


class GatedNet(nn.Module):
    """x + down(act(gate(x)) * up(x)), and scores of it."""

    def __init__(self, n: int, m: int, classes: int, act_fn: nn.Module, bias: bool = False):
        super().__init__()
        self.gate_proj = nn.Linear(n, m, bias=bias)
        self.up_proj = nn.Linear(n, m, bias=bias)
        self.down_proj = nn.Linear(m, n, bias=bias)
        self.act_fn = act_fn
        self.head = nn.Linear(n, classes)

    def forward(self, x: Tensor) -> Tensor:
        opened = self.act_fn(self.gate_proj(x)) * self.up_proj(x)
        hidden: Tensor = self.head(x + self.down_proj(opened))
        return hidden


@dataclass(frozen=True)
class GatedCase:
    """A batch of inputs of length n^(1/2), the gradients, and dL/du beside dL/dv (b x 2 m)."""

    network: GatedNet
    gradients: dict[str, Tensor]
    inputs: Tensor
    above: Tensor

    @property
    def layers(self) -> GatedLayers:
        return gated_layers(self.network, self.gradients)


def gated_case(
    act_fn: nn.Module,
    b: int = 6,
    n: int = 24,
    m: int = 72,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> GatedCase:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = GatedNet(n, m, 30, act_fn)
        for each in (network.gate_proj, network.up_proj):
            nn.init.normal_(each.weight, std=n**-0.5)
        x = torch.randn(b, n)
        labels = torch.randint(30, (b,))
    network = network.to(dtype)
    x = (x / x.square().mean(dim=1, keepdim=True).sqrt()).to(dtype)
    u, v = network.gate_proj(x), network.up_proj(x)
    scores = network.head(x + network.down_proj(act_fn(u) * v))
    loss = nn.functional.cross_entropy(scores, labels)
    named = dict(network.named_parameters())
    above = torch.autograd.grad(loss, [u, v, *named.values()])
    gradients = dict(zip(named, above[2:], strict=True))
    return GatedCase(network, gradients, x.detach(), torch.cat(above[:2], dim=1))
