"""Gradients that a batch would share of a chain which ends in the cross-entropy."""

import torch
from torch import Tensor

from spear.inversion.network.propagation import passed_through, pre_activations
from spear.observation import LayerChain


def unreproduced(
    chain: LayerChain, first: int, inputs: Tensor, labels: Tensor, batch_size: int
) -> float:
    """Return the largest part of a layer's gradient that a batch does not make, relative to it.

    Args:
        chain: the layers and their updates, up to the logits.
        first: place of the first layer to be reproduced.
        inputs: of that layer (b x n, float64).
        labels: class of each (b).
        batch_size: N, by which the mean loss divides.
    """
    last = len(chain.layers) - 1
    passed = passed_through(chain, first, inputs)
    logits = pre_activations(chain.layers[last], passed[last])
    hard = torch.nn.functional.one_hot(labels, logits.shape[1])
    gradients = (logits.softmax(dim=1) - hard) / batch_size
    worst = _rest(chain, last, gradients, passed[last])
    for place in reversed(range(first, last)):
        z = pre_activations(chain.layers[place], passed[place])
        behind = gradients @ chain.layers[place + 1].weight.to(inputs)
        gradients = chain.activations[place].slope(z) * behind
        worst = max(worst, _rest(chain, place, gradients, passed[place]))
    return worst


def _rest(chain: LayerChain, place: int, gradients: Tensor, inputs: Tensor) -> float:
    observed = chain.layers[place].weight_gradient.to(inputs)
    rest = torch.linalg.vector_norm(observed - gradients.T @ inputs)
    return float(rest / torch.linalg.vector_norm(observed))
