"""Patches that belong to one image, by the attention equations.

In head h the attention output of token t is a mean over the tokens s of its image,

    Z_h o_t = sum_s y_s exp(q_t . k_s) v_s,

with queries, keys and values known from the tokens. y_s tells whether s is in the image of t, and
Z_h is taken out by looking only across o_t. The y are then linear unknowns. Least squares gives
each with a standard error, which is large for a token that t does not attend to.
"""

import torch
from torch import Tensor

from spear.vision.first_block import FirstBlock
from spear.vision.pixels import Tokens

PRECISION = 1e-3
"""Relative error of a token's part in the sum, from errors of its pixels, of the weakest tokens."""

SAME_PLACE = 1e-3
"""Deviation of the sum of y over one position from 1, if all tokens there are known."""

UNKNOWN = 0.5
"""Deviation of y from 1 / b before anything is known."""

CERTAIN = 0.3
"""Standard error of y from which it says nothing."""

LEAST_ERROR, MOST_EVIDENCE = 1e-3, 50.0
"""Standard error that no y falls below, and log-likelihood ratio that none goes beyond."""


def links(block: FirstBlock, tokens: Tokens, batch: int, precision: float = PRECISION) -> Tensor:
    """Return the evidence that two tokens belong to one image (k x k).

    It is the log-likelihood ratio of y = 1 to y = 0, of both directions together: 0 if nothing is
    known, as between tokens of one position, and with tokens without a patch, which are all alike.

    Args:
        block: the first of the model.
        tokens: those found.
        batch: b, images.
        precision: relative error of a token's part in the sum.
    """
    attention = _Attention(block, tokens, precision)
    places = tokens.placed.positions
    found = tokens.inputs.new_zeros(len(places), len(places))
    for token in range(len(places)):
        others = ((places >= block.prefix) & (places != places[token])).nonzero()[:, 0]
        if len(others):
            found[token, others] = _evidence(*attention.members(token, others, places, batch))
    return found + found.T


def _evidence(y: Tensor, error: Tensor) -> Tensor:
    ratio = (y.square() - (y - 1).square()) / (2 * error.clamp(min=LEAST_ERROR).square())
    known = torch.where(error < CERTAIN, ratio, 0.0)
    return known.clamp(-MOST_EVIDENCE, MOST_EVIDENCE)


class _Attention:
    """Weights and values of all tokens; those without a patch, once each, last."""

    def __init__(self, block: FirstBlock, tokens: Tokens, precision: float) -> None:
        self.precision = precision
        inputs = torch.cat([tokens.inputs, block.offsets[: block.prefix]])
        size = block.width // block.heads
        projected = block.before_attention(inputs) @ block.in_weight.T + block.in_bias
        split = projected.reshape(len(inputs), 3, block.heads, size).permute(1, 2, 0, 3)
        queries, keys, self.values = split  # heads x (k + r) x d / heads
        scores = queries @ keys.mT / keys.shape[-1] ** 0.5
        self.weights = (scores - scores.amax(dim=2, keepdim=True)).exp()
        self.products = self.values @ self.values.mT
        outputs = tokens.attended.reshape(-1, block.heads, size).transpose(0, 1)
        self.outputs = torch.nn.functional.normalize(outputs, dim=2)
        self.along = self.outputs @ self.values.mT  # heads x k x (k + r)
        self.has_patch = tokens.placed.positions >= block.prefix
        self.places = range(block.prefix, block.tokens)
        self.shared = list(range(len(inputs) - block.prefix, len(inputs)))

    def members(
        self, token: int, others: Tensor, places: Tensor, batch: int
    ) -> tuple[Tensor, Tensor]:
        """y of the others and their standard errors."""
        across = self._products_across(token) / self._variances(token)[:, None, None]
        matrix = across.sum(dim=0)
        own = [*self.shared, token] if self.has_patch[token] else self.shared
        information = matrix[others][:, others]
        side = -matrix[others][:, own].sum(dim=1)
        at_places = places[others, None] == torch.tensor(self.places)
        full = at_places[:, at_places.sum(dim=0) == batch].to(side)
        information = information + full @ full.T / SAME_PLACE**2
        information.diagonal().add_(UNKNOWN**-2)
        side = side + full.sum(dim=1) / SAME_PLACE**2 + UNKNOWN**-2 / batch
        covariance = torch.linalg.inv(information)
        return covariance @ side, covariance.diagonal().clamp(min=0).sqrt()

    def _products_across(self, token: int) -> Tensor:
        """Products of the terms of the sum without their parts along o_t, by head."""
        weights, along = self.weights[:, token], self.along[:, token]
        across = self.products - along[:, :, None] * along[:, None, :]
        return across * weights[:, :, None] * weights[:, None, :]

    def _variances(self, token: int) -> Tensor:
        """Squared error of an entry of the sum, by head."""
        lengths = torch.linalg.vector_norm(self.values, dim=2).median(dim=1).values
        total = self.weights[:, token].sum(dim=1) * lengths
        return (self.precision * total).square() / self.values.shape[2] + 1e-60
