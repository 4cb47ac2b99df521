"""Small public architectures, as federated learning and tabular learning use them.

Each is written down as its paper or example has it, at random weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from torch import Tensor, nn
from torchvision.models import VisionTransformer


@dataclass(frozen=True)
class Small:
    """Architecture of a few layers.

    Attributes:
        build: makes the model.
        shape: shape of one input.
        classes: number of outputs.
        source: paper or example that has it.
    """

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    classes: int
    source: str


class Encoder(nn.Module):
    """One post-norm encoder layer over a sequence of vectors, the mean of its tokens, and a head.

    Args:
        width: of a token.
        hidden: neurons of the feed-forward block.
        classes: number of outputs.
        activation: of the feed-forward block, "relu" or "gelu".
    """

    def __init__(self, width: int, hidden: int, classes: int, activation: str) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(
            width, 4, hidden, dropout=0.0, activation=activation, batch_first=True
        )
        self.head = nn.Linear(width, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits (b x classes) of sequences (b x T x width)."""
        logits: Tensor = self.head(self.layer(tokens).mean(dim=1))
        return logits


class Residual(nn.Module):
    """Block of a tabular ResNet: x + Linear(ReLU(Linear(BatchNorm(x))))."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm, self.first = nn.BatchNorm1d(width), nn.Linear(width, hidden)
        self.activation, self.second = nn.ReLU(), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the shape of its input (b x width)."""
        shift: Tensor = self.second(self.activation(self.first(self.norm(x))))
        return x + shift


def perceptron(sizes: tuple[int, ...], activation: Callable[[], nn.Module]) -> nn.Module:
    """Return fully connected layers of these sizes with an activation between each two."""
    layers: list[nn.Module] = [nn.Flatten()]
    for n, m in pairwise(sizes):
        layers += [nn.Linear(n, m), activation()]
    return nn.Sequential(*layers[:-1])


def convolutional(
    channels: tuple[int, ...], kernel: int, padding: int, head: tuple[int, ...],
    activation: Callable[[], nn.Module],
) -> nn.Module:  # fmt: skip
    """Return convolutions, each with an activation and a pooling by 2, and a perceptron."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [nn.Conv2d(before, after, kernel, padding=padding), activation()]
        layers += [nn.MaxPool2d(2)]
    return nn.Sequential(*layers, *perceptron(head, activation).children())


def _vision_transformer() -> nn.Module:
    """Return torchvision's, with a random head: of zeros, no gradient would pass through it."""
    model = VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=4, hidden_dim=96, mlp_dim=384,
        num_classes=10,
    )  # fmt: skip
    nn.init.trunc_normal_(model.heads.head.weight, std=0.02)
    return model


_TABULAR = "Gorishniy et al., NeurIPS 2021, for 104 columns as ADULT's"
_FEDAVG = "McMahan et al., AISTATS 2017"

SMALL = {
    "fedavg_2nn": Small(
        partial(perceptron, (784, 200, 200, 10), nn.ReLU), (1, 28, 28), 10, _FEDAVG
    ),
    "fedavg_cnn": Small(
        partial(convolutional, (1, 32, 64), 5, 2, (3136, 512, 10), nn.ReLU),
        (1, 28, 28), 10, _FEDAVG,
    ),
    "leaf_femnist": Small(
        partial(convolutional, (1, 32, 64), 5, 2, (3136, 2048, 62), nn.ReLU),
        (1, 28, 28), 62, "Caldas et al., LEAF, 2018",
    ),
    "lenet5": Small(
        partial(convolutional, (1, 6, 16), 5, 0, (256, 120, 84, 10), nn.Tanh),
        (1, 28, 28), 10, "LeCun et al., 1998, without padding",
    ),
    "cifar_tutorial": Small(
        partial(convolutional, (3, 6, 16), 5, 0, (400, 120, 84, 10), nn.ReLU),
        (3, 32, 32), 10, "PyTorch's first tutorial",
    ),
    "tabular_mlp": Small(
        partial(perceptron, (104, 256, 256, 2), nn.ReLU), (104,), 2, _TABULAR
    ),
    "tabular_mlp_gelu": Small(
        partial(perceptron, (104, 256, 256, 2), nn.GELU), (104,), 2, f"{_TABULAR}, with GELU"
    ),
    "tabular_resnet": Small(
        lambda: nn.Sequential(
            nn.Linear(104, 192), Residual(192, 384), Residual(192, 384), nn.BatchNorm1d(192),
            nn.ReLU(), nn.Linear(192, 2),
        ),
        (104,), 2, _TABULAR,
    ),
    "encoder_relu": Small(
        partial(Encoder, 64, 256, 10, "relu"), (8, 64), 10, "Vaswani et al., NeurIPS 2017, small"
    ),
    "encoder_gelu": Small(
        partial(Encoder, 64, 256, 10, "gelu"), (8, 64), 10, "Devlin et al., NAACL 2019, small"
    ),
    "vit_32px": Small(
        _vision_transformer, (3, 32, 32), 10, "Dosovitskiy et al., ICLR 2021, at 32 pixels"
    ),
}  # fmt: skip
"""Name -> architecture."""
