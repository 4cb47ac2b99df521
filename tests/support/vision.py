"""Small vision transformers of torchvision, and what a client shares of them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from spear.probing import probe
from spear.vision.first_block import FirstBlock, first_block
from spear.vision.passes import Passes
from spear.vision.pixels import Tokens, solve_tokens
from spear.vision.positions import place
from spear.vision.shared_rows import shared_rows
from spear.vision.token_equations import token_equations


class Pooled(VisionTransformer):
    """The same with a head on the mean of all tokens, so that all have a gradient of one size."""

    def forward(self, x: Tensor) -> Tensor:
        x = self._process_input(x)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1)
        return self.heads(self.encoder(x).mean(dim=1))


def model(
    width: int = 64,
    patch: int = 4,
    side: int = 8,
    pooled: bool = True,
    layers: int = 2,
    heads: int = 4,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    spread: float = 0.0,
) -> VisionTransformer:
    """A model at initialisation with a head that is not zero; norms and biases vary by `spread`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = (Pooled if pooled else VisionTransformer)(
            image_size=side,
            patch_size=patch,
            num_layers=layers,
            num_heads=heads,
            hidden_dim=width,
            mlp_dim=4 * width,
            num_classes=10,
        )
        nn.init.normal_(made.heads.head.weight, std=0.02)
        nn.init.normal_(made.class_token, std=0.02)
        for name, each in made.named_parameters():
            if spread and (".ln" in name or name.endswith("bias")):
                each.data += spread * torch.randn_like(each)
    return made.to(dtype).eval()


@dataclass(frozen=True)
class Told:
    """What a client shares, and the truth that the server does not have.

    Attributes:
        gradients: by name.
        images: of the batch.
        labels: of the images.
        states: inputs of the first feed-forward block (T x d), image after image.
    """

    gradients: dict[str, Tensor]
    images: Tensor
    labels: Tensor
    states: Tensor


def shared(network: nn.Module, images: Tensor, labels: Tensor | None = None) -> Told:
    """The gradients of the mean cross-entropy."""
    images = images.to(next(network.parameters()).dtype)
    labels = torch.arange(len(images)) % 10 if labels is None else labels
    with probe({"": network.encoder.layers[0].mlp[0]}) as calls:
        loss = nn.functional.cross_entropy(network(images), labels)
    names, parameters = zip(*network.named_parameters(), strict=True)
    found = dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))
    states = calls[0].inputs.detach().double().flatten(0, 1)
    return Told(found, images, labels, states)


def passes_of(network: nn.Module) -> Passes:
    """The passes of a network in float64."""
    return Passes(network, first_block(network).layout)


def noise_images(batch: int, side: int = 8, seed: int = 0) -> Tensor:
    """Images of independent normal pixels (batch x 3 x side x side)."""
    return torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(seed)).double()


def solved(
    network: nn.Module, told: Told, states: Tensor | None = None
) -> tuple[FirstBlock, Tokens]:
    """The tokens of feed-forward inputs, the true ones unless given."""
    block = first_block(network)
    rows = shared_rows(told.gradients, block, len(told.images))
    systems = token_equations(block, rows)
    directions = block.before_feed_forward.directions(told.states if states is None else states)
    return block, solve_tokens(block, directions, place(directions, systems), systems)
