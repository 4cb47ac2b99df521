"""Vision transformers that are trained before the attacked client starts from them."""

from collections.abc import Sequence

import torch
from torch import nn

from spear.data.base import Dataset
from spear.networks.training import train
from spear.networks.vision_transformer import vit


def trained_vit(
    input_shape: Sequence[int],
    n_classes: int,
    dataset: Dataset,
    patch: int = 16,
    width: int = 192,
    depth: int = 4,
    heads: int = 3,
    mlp_width: int = 768,
    head: str = "mean",
    seed: int = 0,
    steps: int = 300,
    learning_rate: float = 1e-3,
    train_batch_size: int = 64,
) -> nn.Module:
    """Return a `vit` after some steps of AdamW on the mean cross-entropy (`train`).

    At `steps` = 0 the network is that of `vit` with the same seed.

    Args:
        input_shape, n_classes, patch, width, depth, heads, mlp_width, head: see `vit`.
        dataset: see `train`.
        seed: of the initialisation and of the order of the examples.
        steps, learning_rate, train_batch_size: see `train`.

    Raises:
        ConfigError: see `vit` and `train`.
    """
    network = vit(input_shape, n_classes, patch, width, depth, heads, mlp_width, head, seed)
    shape = tuple(input_shape)
    adam = torch.optim.AdamW
    train(network, shape, n_classes, dataset, seed, steps, learning_rate, train_batch_size, adam)
    return network
