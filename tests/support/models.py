"""Models that `spear audit --model models:<name>` imports, and a batch for them."""

import torch
import torchvision
from torch import Tensor, nn

from spear.data import Digits


def digits(b: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    batch = Digits().batch(b, torch.Generator().manual_seed(seed))
    return batch.inputs, batch.labels


def mlp() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), torchvision.ops.MLP(64, [80, 50, 10]))
