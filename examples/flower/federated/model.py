"""Classifier in plain PyTorch. Nothing in it was made for an attack."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import relu

from spear.errors import ConfigError


class Classifier(nn.Module):
    """Classifier of pictures with values in [-1, 1] into ten classes, as in Flower's quickstart.

    Args:
        pixels: number of values of one picture.
        width: number of neurons of each of the two hidden layers.
    """

    def __init__(self, pixels: int, width: int = 200) -> None:
        super().__init__()
        self.first = nn.Linear(pixels, width)
        self.second = nn.Linear(width, width)
        self.last = nn.Linear(width, 10)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the logits (b x 10) of pictures (b x C x H x W)."""
        hidden = relu(self.first(pictures.flatten(1)))
        return self.last(relu(self.second(hidden)))


def faces() -> Classifier:
    """Return the classifier for grey pictures of 25 x 25 pixels."""
    return Classifier(25 * 25)


def cifar10() -> Classifier:
    """Return the classifier for colour pictures of 32 x 32 pixels."""
    return Classifier(3 * 32 * 32)


MODELS: dict[str, Callable[[], Classifier]] = {"faces": faces, "cifar10": cifar10}


def model_for(dataset: str) -> Classifier:
    """Return the untrained model for a data set.

    Raises:
        ConfigError: there is no model for a data set of this name.
    """
    if dataset not in MODELS:
        raise ConfigError(f"dataset is {dataset!r}; expected one of {', '.join(MODELS)}.")
    return MODELS[dataset]()
