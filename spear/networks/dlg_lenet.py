"""LeNet of the literature on gradient inversion: three convolutions and one linear layer."""

from collections.abc import Sequence

import torch
from torch import nn

from spear.errors import ConfigError
from spear.networks.activations import activated_by

CHANNELS = 12
"""Output channels of each convolution."""


def lenet(
    input_shape: Sequence[int],
    n_classes: int,
    activation: str | nn.Module = "sigmoid",
    half_width: float | None = 0.5,
    bias: bool = True,
    seed: int = 0,
) -> nn.Sequential:
    """Return the LeNet of DLG (Zhu et al., NeurIPS 2019) and iDLG for images of any size.

    Three 5 x 5 convolutions of 12 channels, the first two of stride 2, each followed by an
    activation, then a linear layer: 768 -> K for 32 x 32 pixels. Parameters are drawn from `seed`
    alone; the global random state is left as it was.

    Args:
        input_shape: C x H x W.
        n_classes: number of classes K.
        activation: "sigmoid", as DLG's, another name of
            `spear.networks.activations.ACTIVATIONS`, or a module, copied for each convolution.
        half_width: parameters are uniform in [-half_width, half_width]; 0.5 is DLG's, None keeps
            PyTorch's default initialisation.
        bias: whether the linear layer has a bias.
        seed: of the initialisation.

    Raises:
        ConfigError: inputs are no images, the activation is unknown, or half_width is not above 0.
    """
    shape = tuple(input_shape)
    if len(shape) != 3:
        raise ConfigError(
            f"lenet is for images of C x H x W, but inputs have shape {shape}; choose a "
            "data set of images, or the network fcnn."
        )
    if half_width is not None and not half_width > 0:
        raise ConfigError(
            f"half_width is {half_width}; expected a number above 0, or None (null in a "
            "configuration) for PyTorch's initialisation."
        )
    layers: list[nn.Module] = []
    channels = shape[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for stride in (2, 2, 1):
            layers += [nn.Conv2d(channels, CHANNELS, 5, stride, padding=2)]
            layers += [activated_by(activation)]
            channels = CHANNELS
        height, width = (-(-side // 4) for side in shape[1:])
        layers += [nn.Flatten(), nn.Linear(CHANNELS * height * width, n_classes, bias)]
        network = nn.Sequential(*layers)
        if half_width is not None:
            for parameter in network.parameters():
                nn.init.uniform_(parameter, -half_width, half_width)
    return network
