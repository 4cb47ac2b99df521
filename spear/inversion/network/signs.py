"""Signs of inputs by the cross-entropy, behind odd activations and without biases.

If sigma(-z) = -sigma(z) in all layers, -x gives the logits -u and the last layer the inputs -h. A
part v h^T of its gradient then has -v for v = (softmax(u) - y) / N. With three classes or more one
entry of v is negative, that of the label, and is the largest: so v tells its own sign.
"""

import torch
from torch import Tensor

from spear.inversion.network.consistency import EXPLAINED, fit
from spear.inversion.network.propagation import passed_through, pre_activations
from spear.inversion.network.reproduction import unreproduced
from spear.observation import LayerChain

ABSENT = 1e-6
"""Largest negative entry of v but that of the label, relative to it, by rounding."""


def signs_by_loss(chain: LayerChain, place: int, inputs: Tensor) -> Tensor | None:
    """Return the signs with which inputs of a layer make all gradients from it to the loss (b).

    Args:
        chain: up to the logits, without biases, with odd activations.
        place: of the layer.
        inputs: each right but for its sign (b x n).

    Returns:
        None if no signs do, or the labels do not tell them.
    """
    features = passed_through(chain, place, inputs)[len(chain.activations)]
    last = chain.layers[-1]
    parts = fit(last, features).gradients.T
    signs = -parts.gather(1, parts.abs().argmax(dim=1, keepdim=True)).sign()
    parts = signs * parts
    labels = parts.argmin(dim=1)
    sizes = -parts.gather(1, labels[:, None])[:, 0]
    others = parts.scatter(1, labels[:, None], 0.0)
    if parts.shape[1] < 3 or bool((others < -ABSENT * sizes[:, None]).any()):
        return None
    p = pre_activations(last, signs * features).softmax(dim=1).gather(1, labels[:, None])[:, 0]
    batch_size = float(((1 - p) / sizes).median())
    if not len(parts) - 0.5 < batch_size < 2**31:
        return None
    right = signs * inputs.to(torch.float64)
    rest = unreproduced(chain, place, right, labels, round(batch_size))
    return signs[:, 0] if rest <= EXPLAINED else None
