"""Linear equations of one token of the first block.

The feed-forward input u of a token tells x' = x + W_o o + b_o up to scale and mean: with
v = (u - beta_2) / gamma_2,

    a v + c 1 = x + W_o o + b_o,    x = W_e patch + b_e + e_p.

The patch is R_0^T alpha and o is R_o^T omega, with the known row spaces R_0 and R_o of two
gradients (`spear.vision.shared_rows`). A third gradient excludes rows K: no output of the first
layer norm has a part in them. That output is gamma_1 * (x - mean) / sigma + beta_1, so that

    K (gamma_1 * (x - mean of x) + sigma beta_1) = 0.

The unknowns are a, c, alpha, omega and sigma. The coefficients of all but a are the same for all
tokens: H. So one decomposition of H serves the whole batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.vision.first_block import FirstBlock
from spear.vision.shared_rows import SharedRows

NEGLIGIBLE = 1e-9
"""Singular value of H, relative to the largest, up to which a combination of unknowns has none."""


@dataclass(frozen=True)
class TokenEquations:
    """H z = g_p - a [v; 0] for tokens at some positions, z being all unknowns but a.

    Attributes:
        positions: at which tokens may be (k).
        constants: g_p, a row a position (k x rows).
        null_space: Q, orthonormal columns with Q^T H = 0 (rows x spare).
        solver: H^+, the pseudo-inverse (unknowns x rows).
        patch: unknowns that are alpha.
        attended: unknowns that are omega.
        rows: the row spaces.
    """

    positions: Tensor
    constants: Tensor
    null_space: Tensor
    solver: Tensor
    patch: slice
    attended: slice
    rows: SharedRows

    @property
    def spare(self) -> int:
        """Equations left for a and for the test of the position."""
        return self.null_space.shape[1]

    @classmethod
    def of_patches(cls, block: FirstBlock, rows: SharedRows) -> "TokenEquations":
        """Return the equations of the tokens of patches, at positions r to r + N - 1."""
        norm, excluded, d = block.before_attention, rows.excluded, block.width
        patch = block.patch_weight @ rows.patches.T
        r, extra = patch.shape[1], len(excluded)
        attended = block.out_weight @ rows.attended.T
        t = attended.shape[1]
        h = patch.new_zeros(d + extra, 2 + r + t)
        h[:d, 0], h[:d, 1 : 1 + r], h[:d, 1 + r : 1 + r + t] = 1, -patch, -attended
        h[d:, 1 : 1 + r] = excluded @ (norm.weight[:, None] * (patch - patch.mean(dim=0)))
        h[d:, -1] = excluded @ norm.bias
        fixed = block.offsets[block.prefix :]
        centred = norm.weight * (fixed - fixed.mean(dim=1, keepdim=True))
        constants = torch.cat([fixed + block.out_bias, -centred @ excluded.T], dim=1)
        places = torch.arange(block.prefix, block.tokens)
        return cls(places, constants, *_decomposed(h), slice(1, 1 + r), slice(1 + r, -1), rows)

    @classmethod
    def of_others(cls, block: FirstBlock, rows: SharedRows) -> "TokenEquations":
        """Return those of tokens without a patch, at positions 0 to r - 1: their x is known."""
        attended = block.out_weight @ rows.attended.T
        h = torch.cat([torch.ones_like(attended[:, :1]), -attended], dim=1)
        constants = block.offsets[: block.prefix] + block.out_bias
        places = torch.arange(block.prefix)
        return cls(places, constants, *_decomposed(h), slice(0, 0), slice(1, None), rows)


def token_equations(block: FirstBlock, rows: SharedRows) -> list[TokenEquations]:
    """Return the equations of all positions."""
    of_patches = TokenEquations.of_patches(block, rows)
    return [TokenEquations.of_others(block, rows), of_patches] if block.prefix else [of_patches]


def _decomposed(h: Tensor) -> tuple[Tensor, Tensor]:
    """Q and H^+."""
    left, values, right = torch.linalg.svd(h, full_matrices=True)
    rank = int((values > NEGLIGIBLE * values[0]).sum())
    solver = (right[:rank].T / values[:rank]) @ left[:, :rank].T
    return left[:, rank:], solver
