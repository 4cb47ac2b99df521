"""A reconstruction beside the truth, its rows in the order of the true ones."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from spear.data.base import Dataset
from spear.data.text import TextDomain
from spear.reconstruction import Reconstruction
from spear.scoring.matching import match, match_tokens
from spear.scoring.signal_to_noise import psnr
from spear.scoring.truth import Truth


@dataclass(frozen=True)
class Matched:
    """Reconstruction and truth of one batch, prepared for all metrics; each part is computed once.

    Reconstructed rows are matched to true rows (`spear.scoring.matching`), and sequences of tokens
    so that the fewest tokens differ. A true row that is left over is compared with a row of zeros:
    the network's zero input, which is the data set's mean image if inputs are normalised and black
    otherwise. All is in float64, on the CPU.

    Attributes:
        reconstruction: result of the attack, in its own order.
        truth: of the same batch.
        dataset: gives the shape of an example and undoes the normalisation.
        first_layer: whether the attacked layer receives the network's input. An inner layer may
            have as many inputs as an image has pixels.
    """

    reconstruction: Reconstruction
    truth: Truth
    dataset: Dataset
    first_layer: bool = True

    @cached_property
    def order(self) -> Tensor:
        """Reconstructed row of each true row (b, int64), or -1 if none is left."""
        if self.are_tokens:
            return match_tokens(self.reconstruction.inputs, self.tokens)
        return match(self.reconstruction.inputs, self.truth.inputs)

    @cached_property
    def tokens(self) -> Tensor:
        """True tokens (b x length, int64); padding at positions that leave no gradient."""
        domain = self.dataset.domain
        assert isinstance(domain, TextDomain)  # checked by `are_tokens`
        tokens, positions = in_float64(self.truth.inputs).long(), self.truth.positions
        if positions is None:
            return tokens
        return tokens.where(positions.leaving.cpu(), domain.tokenizer.padding)

    @cached_property
    def true(self) -> Tensor:
        """True inputs: de-normalised images (b x C x H x W), or else unchanged rows (b x n)."""
        return self._shown(in_float64(self.truth.inputs))

    @cached_property
    def found(self) -> Tensor:
        """Reconstructed inputs in the order of `true`, in the same shape and units."""
        return self._shown(self.ordered(self.reconstruction.inputs))

    @cached_property
    def best(self) -> Tensor | None:
        """`Truth.best_inputs` in the shape and units of `true`; None if there are none."""
        best = self.truth.best_inputs
        return None if best is None else self._shown(in_float64(best))

    @cached_property
    def psnr_per_image(self) -> Tensor:
        """PSNR of each image (b) in dB, in the order of `true`; NaN if inputs are not images."""
        if not self.are_images:
            return torch.full((len(self.truth.inputs),), math.nan)
        return psnr(self.found, self.true)

    @property
    def are_inputs(self) -> bool:
        """True if the attacked layer receives examples of the data set."""
        n = self.truth.inputs.shape[1]
        return self.first_layer and n == math.prod(self.dataset.input_shape)

    @property
    def are_images(self) -> bool:
        """True if the attacked layer receives images."""
        return self.are_inputs and self.dataset.is_image

    @property
    def are_tokens(self) -> bool:
        """True if the attack is on sequences of tokens, whose numbers are names."""
        return self.are_inputs and isinstance(self.dataset.domain, TextDomain)

    def ordered(self, matrix: Tensor) -> Tensor:
        """Return rows that belong to the reconstructed inputs in the order of the true inputs.

        The row of a true input that was missed is zero.

        Args:
            matrix: one row per reconstructed input, in the attack's order.
        """
        matrix = in_float64(matrix)
        return torch.cat([matrix, matrix.new_zeros(1, matrix.shape[1])])[self.order]

    def _shown(self, rows: Tensor) -> Tensor:
        return self.dataset.denormalized(rows) if self.are_images else rows


def in_float64(matrix: Tensor) -> Tensor:
    """Return the matrix in float64, on the CPU."""
    return matrix.cpu().double()
