"""Fully connected networks."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from pathlib import Path

import torch
from torch import nn

from spear.errors import ConfigError
from spear.networks.activations import activated_by
from spear.networks.checkpoints import load_checkpoint

STATISTICS = 256
"""Inputs from which batch norms have their means and variances."""


def fcnn(
    input_shape: Sequence[int],
    n_classes: int,
    width: int = 200,
    depth: int = 6,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    activation: str | nn.Module = "relu",
    bias: bool = True,
) -> nn.Sequential:
    """Return a fully connected network with `depth` linear layers (Sec. 6: L = 6, m = 200).

    Parameters keep PyTorch's default initialisation, drawn from `seed` alone, or come from
    `checkpoint`. The global random state is left as it was.

    Args:
        input_shape: shape of one example; it is flattened first.
        n_classes: outputs of the last layer, which no activation follows.
        width: neurons of every hidden layer (m), at least 1.
        depth: number of linear layers (L), at least 2 so that one is followed by a ReLU.
        seed: of the initialisation.
        checkpoint: a state dict, as safetensors or as a file for `torch.load(weights_only=True)`.
        activation: follows each hidden layer: a name, such as "relu" or "gelu", of
            `spear.networks.activations.ACTIVATIONS`, or a module, copied for each.
        bias: whether the linear layers have biases; SPEAR needs them.

    Raises:
        ConfigError: width < 1, depth < 2, or the activation is unknown.
        CheckpointError: the checkpoint is missing, unreadable, or of another architecture.
    """
    if width < 1:
        raise ConfigError(f"width is {width}; expected at least 1 neuron.")
    if depth < 2:
        raise ConfigError(f"depth is {depth}; expected at least 2 linear layers.")
    sizes = [prod(input_shape), *[width] * (depth - 1)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = [nn.Flatten()]
        for n, m in pairwise(sizes):
            layers += [nn.Linear(n, m, bias), activated_by(activation)]
        layers.append(nn.Linear(sizes[-1], n_classes, bias))
    network = nn.Sequential(*layers)
    if checkpoint is not None:
        load_checkpoint(network, checkpoint)
    return network


def fcnn_batch_norm(
    input_shape: Sequence[int],
    n_classes: int,
    width: int = 200,
    depth: int = 6,
    seed: int = 0,
    activation: str | nn.Module = "relu",
    bias: bool = False,
) -> nn.Sequential:
    """Return such a network with a batch norm before each activation, in evaluation mode.

    In that mode, in which fine-tuning often leaves it, a norm uses means and variances of the past.
    Here they are those of 256 inputs of normal noise, drawn from `seed`; gamma is 1 and beta 0.

    Args:
        input_shape, n_classes, width, depth, seed, activation: see `fcnn`.
        bias: whether the linear layers before a norm have biases, which beta makes superfluous.

    Raises:
        ConfigError: see `fcnn`.
    """
    plain = fcnn(input_shape, n_classes, width, depth, seed, activation=activation, bias=bias)
    layers: list[nn.Module] = []
    for each in plain[:-1]:
        layers.append(each)
        if isinstance(each, nn.Linear):
            layers.append(nn.BatchNorm1d(width, momentum=None))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        last = nn.Linear(width, n_classes)
        network = nn.Sequential(*layers, last)
        with torch.no_grad():
            network.train()(torch.randn(STATISTICS, *input_shape))
    return network.eval()
