"""From the inputs of one layer of a chain to those of the others, by linear algebra.

Forward the network is computed: the next layer's inputs are sigma(W X + c). Its dL/dZ is the least
squares solution of G = (dL/dZ) X^T.

Backward, the inputs of a layer are the activations of the layer before. Where sigma can be inverted
they tell its pre-activations, and z = M p + c1 is a linear equation in the b entries of a row p,
one for each such neuron. So rows are solved for instead of searched, and what completes and proves
a solution of a layer pair does so here.
"""

import torch
from torch import Tensor

from spear.activations.elementwise import Elementwise
from spear.activations.inverse import preimages
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.observation import LayerChain, Link

MARGIN = 1e-4
"""Errors of known activations, relative to their root mean square, that are allowed for."""

CHUNK = 1 << 24
"""Entries of the equations that are solved at once."""


def passed_on(link: Link, activation: Elementwise, inputs: Tensor) -> Tensor:
    """Return the inputs of the next layer, sigma(W x + c), one a row (b x m)."""
    return activation.value(pre_activations(link, inputs))


def passed_through(chain: LayerChain, place: int, inputs: Tensor) -> dict[int, Tensor]:
    """Return the inputs of the layers from a place on, by their places.

    Args:
        chain: the layers.
        place: of the layer whose inputs are given, counted from 0.
        inputs: one a row (b x n).
    """
    passed = {place: inputs.to(torch.float64)}
    for k in range(place, len(chain.activations)):
        passed[k + 1] = passed_on(chain.layers[k], chain.activations[k], passed[k])
    return passed


def pre_activations(link: Link, inputs: Tensor) -> Tensor:
    """Return Z = W X + c of a layer, a row for each input (b x m)."""
    products = inputs @ link.weight.to(inputs).T
    return products if link.bias is None else products + link.bias.to(inputs)


def gradients_given_inputs(link: Link, inputs: Tensor) -> tuple[Tensor, float]:
    """Solve G = D X^T for D = dL/dZ by least squares.

    Args:
        link: the layer.
        inputs: X^T, one a row (b x n).

    Returns:
        D (m x b), and the part of G that it leaves, relative to G.
    """
    observed = link.weight_gradient.to(inputs).T
    gradients = torch.linalg.lstsq(inputs.T, observed).solution
    rest = torch.linalg.vector_norm(observed - inputs.T @ gradients)
    return gradients.T, float(rest / torch.linalg.vector_norm(observed))


def allowed_error(activations: Tensor) -> float:
    """Return the error that is allowed for in activations which are known (k x m)."""
    return MARGIN * float(activations.square().mean().sqrt())


def samples_given_activations(problem: PairProblem, activations: Tensor) -> Samples | None:
    """Solve for the samples of a layer pair whose activations are known.

    An error of a means one of a / sigma'(z) in z, so that each equation counts with its sigma'(z).

    Args:
        problem: the pair.
        activations: a of every sample (b x m).

    Returns:
        The samples in their order; None if sigma can be inverted at too few neurons.
    """
    margin = allowed_error(activations)
    z, known = preimages(problem.activation, activations, margin)
    weights = known * problem.activation.slope(z)
    if int(known.sum(dim=1).min()) < problem.b:
        return None
    predictor, bias = problem.first.projected_weight, problem.first.bias
    size = max(1, CHUNK // predictor.numel())
    rows = [
        torch.linalg.lstsq(w[:, :, None] * predictor, (w * (of - bias))[:, :, None]).solution
        for w, of in zip(torch.split(weights, size), torch.split(z, size), strict=True)
    ]
    return samples_of_rows(problem, torch.cat(rows)[:, :, 0])[0]
