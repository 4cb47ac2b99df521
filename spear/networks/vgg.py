"""VGG16, whose first linear layer receives the features from which Table 6 recovers images."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from spear.errors import CheckpointError, ConfigError
from spear.networks.checkpoints import load_checkpoint, read_state_dict

FEATURES = "vgg16-features-torchvision-fp16.pth"
"""File in `data_root/weights`: `features.*` of torchvision's ImageNet weights, in float16."""

DOWNLOADED = "vgg16-397923af.pth"
"""File with all of torchvision's ImageNet weights in torch hub's cache."""

LEAST_SIDE = 32
"""Least height and width in pixels, as each of five poolings halves them."""


def vgg16(
    input_shape: Sequence[int],
    n_classes: int,
    data_root: str | Path = "data",
    seed: int = 0,
    pretrained: bool = False,
) -> nn.Module:
    """Return torchvision's VGG16 (Simonyan and Zisserman, 2015), without dropout.

    The convolutions have the weights of ImageNet. So have the linear layers if `pretrained`; else
    they are drawn from `seed` alone as torchvision does (normal, deviation 0.01, biases 0), which
    is not the network of Table 6. Nothing is downloaded. The global random state is left as it was.

    Linear layer 1 (25088 -> 4096) is the one that Table 6 attacks.

    Args:
        input_shape: 3 x H x W, at least 32 pixels a side.
        n_classes: outputs of the last layer; 1,000 if `pretrained`.
        data_root: folder whose subfolder `weights` holds the convolutions, in float16.
        seed: of the linear layers.
        pretrained: take all of torchvision's weights, from torch hub's cache.

    Raises:
        ConfigError: inputs are no colour images, or too small; `pretrained`, but n_classes is not
            1,000.
        CheckpointError: the weights are missing, damaged, or another network's.
    """
    from torchvision.models import vgg16 as architecture  # takes seconds

    shape = tuple(input_shape)
    if len(shape) != 3 or shape[0] != 3 or min(shape[1:]) < LEAST_SIDE:
        raise ConfigError(
            f"vgg16 is for images of 3 x H x W with at least {LEAST_SIDE} pixels a side, "
            f"but inputs have shape {shape}; choose ImageNet, or a larger resolution."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = architecture(num_classes=n_classes, dropout=0.0)
    if pretrained:
        _load_all(network, n_classes)
    else:
        _load_features(network.get_submodule("features"), Path(data_root) / "weights" / FEATURES)
    # Dropout with p = 0 changes nothing, but in training mode it passes for a random module.
    return network.eval()


def _load_all(network: nn.Module, n_classes: int) -> None:
    path = Path(torch.hub.get_dir()) / "checkpoints" / DOWNLOADED
    if n_classes != 1000:
        raise ConfigError(
            f"pretrained is true, which is for ImageNet's 1,000 classes, but the data set has "
            f"{n_classes}; choose ImageNet, or set pretrained to false."
        )
    if not path.is_file():
        raise CheckpointError(
            f"pretrained is true, but torchvision's weights are not at {path}; fetch "
            'them (528 MB) with `python -c "import torchvision as t; '
            "t.models.vgg16(weights='DEFAULT')\"`, or set pretrained to false."
        )
    load_checkpoint(network, path)


def _load_features(features: nn.Module, path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(
            f"VGG16's convolutions are not at {path}; put their state dict there (torchvision's "
            "keys features.*), set another data_root, or set pretrained to true."
        )
    state = read_state_dict(path)
    convolutions: dict[str, Tensor] = {
        name.removeprefix("features."): value.float() for name, value in state.items()
    }
    try:
        features.load_state_dict(convolutions)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} does not hold VGG16's convolutions: {' '.join(str(error).split())}."
        ) from error
