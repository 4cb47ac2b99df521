"""A classifier in plain PyTorch. Nothing in it was made for an attack."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import relu

from spear.errors import ConfigError


class Classifier(nn.Module):
    """Ten classes of pictures with values in [-1, 1], as in Flower's quickstart.

    Args:
        pixels: values of one picture.
        width: neurons of each of the two hidden layers.
    """

    def __init__(self, pixels: int, width: int = 200) -> None:
        super().__init__()
        self.first = nn.Linear(pixels, width)
        self.second = nn.Linear(width, width)
        self.last = nn.Linear(width, 10)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (b x 10) of pictures (b x C x H x W)."""
        hidden = relu(self.first(pictures.flatten(1)))
        return self.last(relu(self.second(hidden)))


def faces() -> Classifier:
    """For grey pictures of 25 x 25 pixels."""
    return Classifier(25 * 25)


def cifar10() -> Classifier:
    """For colour pictures of 32 x 32 pixels."""
    return Classifier(3 * 32 * 32)


MODELS: dict[str, Callable[[], Classifier]] = {"faces": faces, "cifar10": cifar10}


def model_for(dataset: str) -> Classifier:
    """The untrained model for a data set.

    Raises:
        ConfigError: there is none of this name.
    """
    if dataset not in MODELS:
        raise ConfigError(f"dataset is {dataset!r}; expected one of {', '.join(MODELS)}.")
    return MODELS[dataset]()
