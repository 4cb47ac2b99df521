"""VGG11 with few channels, which trains and is attacked in seconds on a CPU."""

from collections.abc import Sequence

import torch
from torch import nn

from spear.errors import ConfigError
from spear.networks.vgg import LEAST_SIDE
from spear.settings import check_least


def vgg11(
    input_shape: Sequence[int],
    n_classes: int,
    width: int = 16,
    bias: bool = True,
    seed: int = 0,
) -> nn.Sequential:
    """Return VGG11 (configuration A of Simonyan and Zisserman, 2015) in torchvision's layout.

    Eight 3 x 3 convolutions with ReLUs and five poolings, of `width` to 8 `width` channels, where
    VGG11 has 64 to 512. A single linear layer follows, as is usual for images of 32 pixels:
    8 width -> K. Convolutions are drawn as torchvision does (He et al., by outputs), the linear
    layer as PyTorch does, from `seed` alone; the global random state is left as it was.

    Args:
        input_shape: 3 x H x W, at least 32 pixels a side.
        n_classes: number of classes K.
        width: channels of the first convolution.
        bias: whether the linear layer has a bias.
        seed: of the initialisation.

    Raises:
        ConfigError: inputs are no colour images, or too small; width < 1.
    """
    from torchvision.models.vgg import cfgs, make_layers  # takes seconds

    shape = tuple(input_shape)
    check_least(1, width=width)
    if len(shape) != 3 or shape[0] != 3 or min(shape[1:]) < LEAST_SIDE:
        raise ConfigError(
            f"vgg11 is for images of 3 x H x W with at least {LEAST_SIDE} pixels a side, "
            f"but inputs have shape {shape}; choose CIFAR-10, or a larger resolution."
        )
    narrow = [each if each == "M" else each * width // 64 for each in cfgs["A"]]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        features = make_layers(narrow)
        for module in features:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        left = (shape[1] // LEAST_SIDE) * (shape[2] // LEAST_SIDE)
        last = nn.Linear(narrow[-2] * left, n_classes, bias)
    return nn.Sequential(*features, nn.Flatten(), last)
