"""Problems that the authors' code of Geiping et al. was measured on, with its results.

Files `reference-problems/<name>.pt` below the data root (SPEAR_DATA): a batch of CIFAR-10, sorted
by label, the paper's network (m = 200, L = 6) at initialisation, and the gradient of the mean
cross-entropy. `unit_<name>.pt` holds candidates of one run of that code with their objectives.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from spear.domain import Domain
from spear.networks import fcnn
from spear.scoring import psnr
from spear.update import Update

FOLDER = "reference-problems"


@dataclass(frozen=True)
class ReferenceProblem:
    """Private batch, and the update and labels that a server holds of it.

    Attributes:
        update: update of every parameter, with the labels.
        inputs: true batch as the network received it (b x 3 x 32 x 32).
        images: the same batch in [0, 1].
        mean, std: 3 x 1 x 1; inputs are (images - mean) / std.
    """

    update: Update
    inputs: Tensor
    images: Tensor
    mean: Tensor
    std: Tensor

    def psnr(self, found: Tensor) -> float:
        """Return the mean PSNR in dB (data range 1, clipped) in the best order of the pictures.

        Args:
            found: inputs as the network receives them (b x n).
        """
        pictures = found.reshape(self.inputs.shape).double() * self.std + self.mean
        true = self.images.double()
        values = torch.stack([psnr(picture.expand_as(true), true) for picture in pictures])
        rows, columns = linear_sum_assignment(values.numpy(), maximize=True)
        return float(values[rows, columns].mean())


def load(root: Path, name: str) -> ReferenceProblem:
    """Return the problem `name`, such as `cifar10_b4_s0_norm`.

    Raises:
        FileNotFoundError: the data root does not have its file.
    """
    held = _read(root, name)
    inputs = held["net_input"]
    shape = tuple(inputs.shape[1:])
    network = fcnn(shape, held["classes"], width=held["width"], depth=held["layers"])
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), held["weights"], strict=True):
            parameter.copy_(value)
    mean, std = (torch.tensor(held[key]).view(-1, 1, 1) for key in ("mean", "std"))
    domain = Domain(shape, (0.0 - mean) / std, (1.0 - mean) / std)
    gradients = dict(zip(held["param_names"], held["gradients"], strict=True))
    update = Update(network, gradients, nn.CrossEntropyLoss(), domain, held["labels"])
    return ReferenceProblem(update, inputs, held["images"], mean, std)


def check_values(root: Path, name: str) -> dict[str, Any]:
    """Return values that the authors' code computes for a problem.

    Returns:
        `at`: parts of the objective at the `true` inputs and at `mean_image_zeros`; `objective` and
        `lr` by step; `candidates`: step -> the candidate before it.

    Raises:
        FileNotFoundError: the data root does not have the file of these values.
    """
    return _read(root, f"unit_{name}")


def _read(root: Path, name: str) -> dict[str, Any]:
    held: dict[str, Any] = torch.load(root / FOLDER / f"{name}.pt", weights_only=True)
    return held
