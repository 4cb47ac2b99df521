"""Gradients that a batch would share of a chain which ends in the cross-entropy."""

from dataclasses import replace

import torch
from torch import Tensor

from spear.inversion.network.propagation import passed_through, pre_activations
from spear.observation import LayerChain, Link


def unreproduced(
    chain: LayerChain, first: int, inputs: Tensor, labels: Tensor, batch_size: float
) -> float:
    """Return the largest part of a layer's gradient that a batch does not make, relative to it.

    The gradient of a bias counts by itself.

    Args:
        chain: the layers and their updates, up to the logits.
        first: place of the first layer to be reproduced.
        inputs: of that layer (b x n, float64).
        labels: class of each (b).
        batch_size: N, by which the mean loss divides.
    """
    hard = torch.nn.functional.one_hot(labels, len(chain.layers[-1].weight)).to(inputs)
    passed = passed_through(chain, first, inputs)
    worst = 0.0
    for place, gradients in gradients_of_layers(chain, first, inputs, hard).items():
        link, mean = chain.layers[place], gradients / batch_size
        worst = max(worst, _rest(link.weight_gradient, mean.T @ passed[place]))
        if link.bias_gradient is not None:
            worst = max(worst, _rest(link.bias_gradient, mean.sum(dim=0)))
    return worst


def gradients_of_layers(
    chain: LayerChain, first: int, inputs: Tensor, hard: Tensor
) -> dict[int, Tensor]:
    """Return the gradients of each input's own loss in the outputs of all layers, by their places.

    Args:
        chain: up to the logits of the cross-entropy.
        first: place of the first layer.
        inputs: of that layer (b x n, float64).
        hard: labels, one-hot (b x K).
    """
    last = len(chain.layers) - 1
    z = {first: pre_activations(chain.layers[first], inputs)}
    for place in range(first, last):
        activations = chain.activations[place].value(z[place])
        z[place + 1] = pre_activations(chain.layers[place + 1], activations)
    found = {last: z[last].softmax(dim=1) - hard}
    for place in reversed(range(first, last)):
        behind = found[place + 1] @ chain.layers[place + 1].weight.to(inputs)
        found[place] = chain.activations[place].slope(z[place]) * behind
    return found


def in_float64(chain: LayerChain) -> LayerChain:
    """Return a chain whose weights are float64; its updates stay as they were shared."""
    layers = tuple(
        Link(
            each.weight.double(),
            None if each.bias is None else each.bias.double(),
            each.weight_gradient,
            each.bias_gradient,
        )
        for each in chain.layers
    )
    return replace(chain, layers=layers)


def _rest(observed: Tensor, computed: Tensor) -> float:
    rest = torch.linalg.vector_norm(observed.to(computed) - computed)
    share = rest / torch.linalg.vector_norm(observed).to(rest)
    return 0.0 if float(rest) == 0 else float(share.nan_to_num(torch.inf, torch.inf))
