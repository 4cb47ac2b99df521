"""Nearly the inverse of J^T J, for the conjugate gradients of the refit.

The gradient of each linear layer is G = sum_t d_t y_t^T over the tokens, with d = dL/dz and inputs
y. A change of a token's pixels moves its y and d by about the same share, the more the smaller the
deviation s_t that its layer norm divides by. So two tokens t and u are coupled by
(d_t . d_u) (y_t . y_u) / (s_t s_u) as far as d moves, and by (d_t . d_u) / (s_t s_u) as far as y
does. Summed over the layers this is the matrix of tokens A. Pixels enter a token x through W_e,
which makes the matrix of pixels C = W_e^T W_e. J^T J is nearly their Kronecker product, but for one
direction of each token: layer norms hide its length. Along x itself J^T J is smaller by a factor,
and the inverse on these directions is added that many times.

dL/dy of the outputs enters the gradient of the last layer as (dL/dy)^T [f, 1], and those of all
others in proportion to that of f.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from spear.probing import probe
from spear.second_derivatives import twice_differentiable
from spear.vision.first_block import FirstBlock
from spear.vision.passes import Batch, Passes

STEADY = 0.1
"""Share of y_t . y_u that all pairs of tokens have in A, for changes of y."""

ATTENTION = 10.0
"""Weight of the attention's input layers in A, whose dL/dz stands in as that of their norm."""

POWER = 1.5
"""Power of the deviation of a token; more than 1 for the attention that it changes, too."""

HIDDEN = 200.0
"""Factor by which J^T J is smaller along a token than across."""

OTHERS = 300.0
"""Squared changes of all other gradients by dL/dy, in units of those of the last weight's."""

TOKEN_RIDGE, PIXEL_RIDGE, OUTPUT_RIDGE = 1e-10, 1e-2, 1e-14
"""Added to A, to C and to the matrix of the outputs, relative to their largest diagonal entry."""

Vectors = Sequence[Tensor]


class Preconditioner:
    """Nearly the inverse of J^T J around a batch.

    Args:
        block: the first of the model.
        passes: of the model, in float64.
        batch: around which to precondition.
        scales: rounding of an entry of each gradient, by name.

    Raises:
        RuntimeError: of torch.linalg; rounding leaves a matrix indefinite.
    """

    def __init__(
        self, block: FirstBlock, passes: Passes, batch: Batch, scales: Mapping[str, float]
    ) -> None:
        self._grid = block.grid
        tokens = _coupling(block, passes, batch, scales)
        pixels = _with_ridge(block.patch_weight.T @ block.patch_weight, PIXEL_RIDGE)
        self._lengths = _lengthwise(block, batch.images, pixels)
        along = self._lengths @ pixels @ self._lengths.T
        self._along = _factor(_with_ridge(tokens * along, TOKEN_RIDGE))
        self._tokens = _factor(_with_ridge(tokens, TOKEN_RIDGE))
        self._pixels = _factor(pixels)
        self._outputs = _factor(_with_ridge(_of_outputs(passes, batch, scales), OUTPUT_RIDGE))

    def __call__(self, vectors: Vectors) -> Vectors:
        """Return nearly (J^T J)^-1 of changes of the images and of dL/dy."""
        images, outputs = vectors
        given = self._grid.cut(images).flatten(0, 1)
        patches = torch.cholesky_solve(given, self._tokens)
        patches = torch.cholesky_solve(patches.T, self._pixels).T
        hidden = (given * self._lengths).sum(dim=1, keepdim=True)
        patches = patches + HIDDEN * torch.cholesky_solve(hidden, self._along) * self._lengths
        solved = self._grid.joined(patches.reshape(len(images), self._grid.patches, -1))
        return solved, torch.cholesky_solve(outputs, self._outputs)


def _lengthwise(block: FirstBlock, images: Tensor, pixels: Tensor) -> Tensor:
    """Changes of the pixels that change nearly the length of a token alone (b N x P)."""
    patches = block.grid.cut(images) @ block.patch_weight.T
    tokens = (patches + block.offsets[block.prefix :]).flatten(0, 1)
    centred = tokens - tokens.mean(dim=1, keepdim=True)
    found = torch.linalg.solve(pixels, block.patch_weight.T @ centred.T).T
    return nn.functional.normalize(found)


def _of_outputs(passes: Passes, batch: Batch, scales: Mapping[str, float]) -> Tensor:
    features, name = passes.features(batch.images), passes.head_name
    others = OTHERS**0.5 * features[:, :-1] / scales[f"{name}.weight"]
    rows = torch.cat([others, features[:, -1:] / scales[f"{name}.bias"]], dim=1)
    return rows @ rows.T


def _coupling(
    block: FirstBlock, passes: Passes, batch: Batch, scales: Mapping[str, float]
) -> Tensor:
    """A, the matrix of the patches' tokens (b N x b N)."""
    size = len(batch.images) * block.grid.patches
    found = batch.images.new_zeros(size, size)
    for name, inputs, gradients, deviations in _layers(block, passes, batch):
        if name not in scales:
            continue  # frozen
        d = gradients / (scales[name] * deviations[:, None])
        products = inputs @ inputs.T
        weight = ATTENTION if name.endswith(block.layout.attention_inputs) else 1.0
        found += weight * (d @ d.T) * (STEADY + products / products.diagonal().mean())
    return found


def _layers(
    block: FirstBlock, passes: Passes, batch: Batch
) -> Iterator[tuple[str, Tensor, Tensor, Tensor]]:
    """Name, inputs, dL/dz and the norm's deviation, of all patches, for each linear layer."""
    layout = block.layout
    parts = (*layout.norms, *layout.feed_forward)
    names = {f"{each}.{part}": (each, part) for each in layout.blocks for part in parts}
    modules = {name: passes.network.get_submodule(name) for name in names}
    with probe(modules) as calls, twice_differentiable():
        loss = (passes.outputs(batch.images) * batch.outputs).sum()
    gradients = torch.autograd.grad(loss, [each.output for each in calls])
    last = -block.grid.patches

    def of_patches(each: Tensor) -> Tensor:
        return each.detach()[:, last:].flatten(0, 1)

    deviations = of_patches(calls[0].inputs)[:, 0]
    for call, gradient in zip(calls, gradients, strict=True):
        layer, part = names[call.name]
        if part in layout.norms:
            deviations = of_patches(call.inputs).std(dim=1) ** POWER
        if part == layout.norms[0]:
            for each in layout.attention_inputs:
                weight = f"{layer}.{each}"
                yield weight, of_patches(call.output), of_patches(gradient), deviations
        elif part in layout.feed_forward:
            name = f"{layer}.{part}.weight"
            yield name, of_patches(call.inputs), of_patches(gradient), deviations


def _with_ridge(matrix: Tensor, ridge: float) -> Tensor:
    diagonal = ridge * matrix.diagonal().max() * torch.ones_like(matrix.diagonal())
    return matrix + torch.diag(diagonal)


def _factor(matrix: Tensor) -> Tensor:
    return torch.linalg.cholesky(matrix)
