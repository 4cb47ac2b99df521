"""Proof that the inputs of a layer explain the updates of the layers around it.

Behind a solved pair all inputs X and slopes sigma'(Z) are computed, so that three things can be
told of each layer, with D = dL/dZ and a column of ones for the bias:

- its update is some D [X, 1]^T. With a wrong scale of X the two parts ask for different D;
- D follows from the next layer's by the chain rule. Inputs that only the solved pair has, such as
  those of another batch that was added to its updates, have D = 0 behind it;
- the update is there: one of zeros is explained by D = 0, which contradicts the chain rule.

A layer narrower than the batch does not determine its D, and one whose inputs are nearly dependent
hardly does. So the chain rule counts to the error that D has there.

In front of it, the inputs are activations, and D there follows by the chain rule, too. Its sum is
the bias gradient in front. Without biases, the update in front has its columns among the sums of
D's. Only neurons with known slopes for all inputs are compared.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.activations.elementwise import Elementwise
from spear.activations.inverse import preimages
from spear.inversion.network.propagation import allowed_error, pre_activations
from spear.observation import LayerChain, Link

EXPLAINED = 1e-5
"""Largest share of a layer's update that exact inputs leave; float32 leaves some 1e-7."""

VISIBLE = 1e-3
"""Smallest relative error of a neuron's bias gradient that contradicts."""


@dataclass(frozen=True)
class Fit:
    """dL/dZ of a layer whose inputs are known, by least squares.

    Attributes:
        gradients: D (m x b).
        rest: part of the update that D leaves, relative to it; 0 if the update is zero.
        errors: length of the error of each column of D that goes with `EXPLAINED` (b); infinite
            if the inputs do not determine D.
    """

    gradients: Tensor
    rest: float
    errors: Tensor


def fit(link: Link, inputs: Tensor) -> Fit:
    """Solve for dL/dZ of a layer.

    Args:
        link: the layer.
        inputs: X^T, one a row (b x n).
    """
    observed, known = _with_bias(link, inputs)
    u, values, vh = torch.linalg.svd(known, full_matrices=False)
    least = torch.finfo(values.dtype).eps * max(known.shape) * values[0]
    inverse = torch.where(values > least, 1 / values, 0.0)
    gradients = observed @ vh.T * inverse @ u.T
    size = torch.linalg.vector_norm(observed)
    rest = _share(observed - gradients @ known, size)
    determined = len(values) == len(inputs) and bool(inverse.all())
    lengths = torch.linalg.vector_norm(u * inverse, dim=1)
    errors = EXPLAINED * size * (lengths if determined else torch.full_like(lengths, torch.inf))
    return Fit(gradients, rest, errors)


def explains(chain: LayerChain, passed: dict[int, Tensor]) -> bool:
    """Tell whether inputs explain the updates of their layers, and D of each two in a row agrees.

    Args:
        chain: the layers and their updates.
        passed: place of a layer -> its inputs (b x n), for a layer and all behind it. The chain
            rule of the first two is left to the proof of their pair.
    """
    first, last = min(passed), max(passed)
    fits = {place: fit(chain.layers[place], inputs) for place, inputs in passed.items()}
    if not all(each.rest <= EXPLAINED for each in fits.values()):
        return False
    return all(
        _follows(chain, place, passed[place], fits[place + 1]) for place in range(first + 1, last)
    )


def _follows(chain: LayerChain, place: int, inputs: Tensor, behind: Fit) -> bool:
    """Tell whether D of the next layer makes the update of a layer by the chain rule."""
    link, weight = chain.layers[place], chain.layers[place + 1].weight.to(inputs)
    slopes = chain.activations[place].slope(pre_activations(link, inputs)).T
    observed, known = _with_bias(link, inputs)
    size = torch.linalg.vector_norm(observed)
    rest = _share(observed - slopes * (weight.T @ behind.gradients) @ known, size)
    steps = torch.linalg.matrix_norm(weight, 2) * slopes.abs().amax(dim=0)
    errors = behind.errors * steps * torch.linalg.vector_norm(known, dim=1)
    return rest <= EXPLAINED + _share(errors, size)


def agrees_in_front(chain: LayerChain, place: int, inputs: Tensor) -> bool:
    """Tell whether the bias gradient in front of a layer agrees with the layer's inputs.

    It contradicts if more than half of the neurons do. A few may be misjudged near a kink.

    Args:
        chain: the layers and their updates.
        place: of the layer; nothing contradicts the first one.
        inputs: of the layer (b x n).
    """
    if place == 0:
        return True
    bias_gradient = chain.layers[place - 1].bias_gradient
    if bias_gradient is None:
        return _spans_in_front(chain, place, inputs)
    link = chain.layers[place]
    slopes, known = _slopes(chain.activations[place - 1], inputs)
    found, weight = fit(link, inputs), link.weight.to(inputs)
    terms = slopes * (found.gradients.T @ weight)
    errors = (found.errors @ slopes.abs()) * torch.linalg.vector_norm(weight, dim=0)
    off = (terms.sum(dim=0) - bias_gradient.to(inputs)).abs()
    contradicts = off > VISIBLE * terms.abs().sum(dim=0) + errors
    neurons = known.all(dim=0)
    return 2 * int((contradicts & neurons).sum()) <= int(neurons.sum())


def _spans_in_front(chain: LayerChain, place: int, inputs: Tensor) -> bool:
    """Tell whether the columns of the update in front are combinations of D's, to its error."""
    slopes, known = _slopes(chain.activations[place - 1], inputs)
    link, neurons = chain.layers[place], known.all(dim=0)
    found, weight = fit(link, inputs), link.weight.to(inputs)
    if int(neurons.sum()) <= len(inputs) or not bool(found.errors.isfinite().all()):
        return True
    gradients = (slopes * (found.gradients.T @ weight))[:, neurons].T
    lengths = torch.linalg.vector_norm(gradients, dim=0)
    steps = torch.linalg.matrix_norm(weight, 2) * slopes.abs().amax()
    values = torch.linalg.svdvals(gradients)
    observed = chain.layers[place - 1].weight_gradient.to(inputs)[neurons]
    rest = observed - gradients @ torch.linalg.lstsq(gradients, observed).solution
    error = float((steps * torch.linalg.vector_norm(found.errors) / values[-1]).nan_to_num(1.0))
    share = _share(rest, torch.linalg.vector_norm(observed))
    return share <= VISIBLE + error or not bool((lengths > 0).all())


def _slopes(activation: Elementwise, values: Tensor) -> tuple[Tensor, Tensor]:
    """sigma' of each activation, and whether it is known: on flat pieces, too (b x m)."""
    margin = allowed_error(values)
    z, known = preimages(activation, values, margin)
    slopes, pieces = activation.slope(z), activation.pieces
    if pieces is None:
        return slopes, known
    low, high = pieces.inner * pieces.lower, pieces.inner * pieces.upper
    outside = (values < low + margin) | (values > high - margin)
    flat = outside & (torch.as_tensor(pieces.outer).to(values) == 0)
    return torch.where(flat, 0.0, slopes), known | flat


def _with_bias(link: Link, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """The update with the bias gradient, if it is there, and the inputs with ones, as long."""
    observed = link.weight_gradient.to(inputs)
    if link.bias_gradient is None:
        return observed, inputs
    length = torch.linalg.vector_norm(inputs) / len(inputs) ** 0.5
    ones = length.expand(len(inputs), 1)
    bias = (length * link.bias_gradient.to(inputs))[:, None]
    return torch.cat([observed, bias], dim=1), torch.cat([inputs, ones], dim=1)


def _share(rest: Tensor, whole: Tensor) -> float:
    """|rest| / |whole|; of nothing, 0 if there is no rest."""
    length = float(torch.linalg.vector_norm(rest))
    return length / float(whole) if whole > 0 else (torch.inf if length > 0 else 0.0)
