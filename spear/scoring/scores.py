"""How good a reconstruction is. The only part of the library that sees the truth."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from skimage.metrics import structural_similarity
from torch import Tensor
from torch.nn.functional import normalize
from torchmetrics.functional.image import peak_signal_noise_ratio

from spear.data.augmentation import class_probabilities
from spear.data.base import Dataset
from spear.data.tabular import TableDomain
from spear.reconstruction import Reconstruction
from spear.scoring import lpips as perceptual
from spear.scoring.lpips import LpipsMetric
from spear.scoring.matching import match, similarities
from spear.scoring.truth import Truth

PSNR_CAP = 320.0
"""Highest PSNR given, in dB, also for equal pictures, whose PSNR is infinite: the rounding error of
float64 (2^-53) is at 319 dB."""

RECOVERED_PSNR = 20.0
"""From this PSNR on, in dB, a picture counts as recovered where noise or local training leave no
exact reconstruction. The paper has an accuracy there (Tables 9 to 11) but names no bound. Chance
hardly gets as near: of 1,000 pictures of CIFAR-10, Tiny ImageNet or MNIST at most 2 have this PSNR
to the mean picture, and none to another of 20 in a batch."""

AT_BOUND = 3.0
"""A picture is at its bound when its PSNR is at most this far below, in dB."""

NEAR = 0.9
"""Least |cos| to a true direction at which one is that direction but for noise. True ones are much
further apart (0.2 to 0.5 on Tiny ImageNet), and one that mixes two in equal parts is at 0.7."""

LABEL_EXACT = 1e-3
"""L1 error below which a recovered label counts as exact."""

_SSIM_MIN_SIDE = 11
"""The side of SSIM's Gaussian window."""


@dataclass(frozen=True)
class Score:
    """One batch's score. Means are over all b true inputs, those that the attack missed included.

    Attributes:
        psnr: mean of `psnr_per_image`, in dB.
        ssim: structural similarity of the clipped pictures, 1 for equal ones; NaN under 11 pixels.
        lpips: LPIPS (`spear.scoring.lpips`) of the clipped pictures, 0 for equal ones; NaN under 32
            pixels and where the weights of its network are absent.
        mse, mae: mean squared and mean absolute error an entry, not clipped.
        directions_right: how many columns of the shared dL/dZ (`Truth.shared_gradients`) the attack
            found, up to scale.
        directions_near: how many it found up to scale and noise (`NEAR`).
        exact: as many inputs reconstructed as there are, and every direction right.
        recovered: share of the pictures whose PSNR is at least `RECOVERED_PSNR`; NaN without PSNR.
        psnr_min: lowest of `psnr_per_image`, in dB.
        psnr_bound: mean PSNR in dB of the inputs by least squares had dL/dZ been known
            (`Truth.best_inputs`); NaN without pictures or without the update.
        at_bound: share of the pictures that reach their own bound less `AT_BOUND`.
        discrete_accuracy: share of the table's categories that are right; NaN without a table,
            as the next two.
        continuous_mae: mean absolute error of the table's numbers, each in its own unit.
        tabular_accuracy: share of all entries that are right, numbers to within
            `spear.data.tabular.TOLERANCE` (TabLeak: Vero et al., ICML 2023).
        label_accuracy: share of the labels whose most probable class is right; NaN, as the next
            three, for an attack that recovers none.
        labels_exact: share of the labels whose L1 error is less than `LABEL_EXACT`.
        label_l1, label_l2: mean sum of absolute errors, and mean length of the error, of a label's
            class probabilities.
        feature_similarity: mean |cos| between the attacked layer's true inputs, as it received
            them, and the reconstructed ones that are assigned to them by |cos| itself
            (`spear.scoring.matching.similarities`); blind to sign and scale.
        psnr_per_image: in the order of the true inputs.
    """

    psnr: float
    ssim: float
    lpips: float
    mse: float
    mae: float
    directions_right: int
    directions_near: int
    exact: bool
    recovered: float
    psnr_min: float
    psnr_bound: float
    at_bound: float
    discrete_accuracy: float
    continuous_mae: float
    tabular_accuracy: float
    label_accuracy: float
    labels_exact: float
    label_l1: float
    label_l2: float
    feature_similarity: float
    psnr_per_image: tuple[float, ...]


class Scoring:
    """Scores reconstructions of one data set's batches: `scoring(reconstruction, truth)`.

    Reconstructed rows are first matched to true rows (`spear.scoring.matching`). A true row that is
    left
    over is scored against a row of zeros: the network's zero input, which is the data set's mean
    picture if inputs are normalised and black otherwise. All in float64.

    Where the attacked layer's inputs are pictures, every metric is on de-normalised pixels, in
    [0, 1] for the data; PSNR, SSIM and LPIPS clip the reconstruction to that range too. Elsewhere
    (tabular data, inner layers) these three and what follows from PSNR are NaN, and MSE and MAE are
    on the inputs themselves. Where they are rows of a table, its own metrics are on readable rows,
    matched to have the fewest wrong entries (`spear.data.tabular.TableDomain.distances`).

    Args:
        dataset: gives the shape of an example and undoes the normalisation.
        lpips: from `spear.scoring.lpips.load_lpips`; None leaves LPIPS NaN.
        first_layer: whether the attacked layer receives the network's input. An inner layer may
            have as many inputs as a picture has pixels.
        cosine_tolerance: a direction is right when 1 - |cos| to the true one is at most this.
    """

    def __init__(
        self,
        dataset: Dataset,
        lpips: LpipsMetric | None = None,
        *,
        first_layer: bool = True,
        cosine_tolerance: float = 1e-6,
    ) -> None:
        self._dataset = dataset
        self._lpips = lpips
        self._first_layer = first_layer
        self._cosine_tolerance = cosine_tolerance

    def __call__(self, reconstruction: Reconstruction, truth: Truth) -> Score:
        """The batch's score."""
        order = match(reconstruction.inputs, truth.inputs)
        cosines = column_cosines(
            _rows(reconstruction.activation_gradients.T, order).T,
            _rows(truth.shared_gradients.T).T,
        )
        right = int((1.0 - cosines.abs() <= self._cosine_tolerance).sum())
        found, true = _rows(reconstruction.inputs, order), _rows(truth.inputs)
        b = len(true)
        psnrs = bounds = torch.full((b,), math.nan)
        ssim, lpips, recovered, at_bound = math.nan, math.nan, math.nan, math.nan
        if self._shows_pictures(truth):
            found, true = self._dataset.denormalized(found), self._dataset.denormalized(true)
            psnrs = psnr(found, true)
            recovered = (psnrs >= RECOVERED_PSNR).double().mean().item()
            ssim, lpips = _ssim(found, true), self._mean_lpips(found, true)
            if truth.best_inputs is not None:
                bounds = psnr(self._dataset.denormalized(_rows(truth.best_inputs)), true)
                at_bound = (psnrs >= bounds - AT_BOUND).double().mean().item()
        error = found - true
        return Score(
            psnr=psnrs.mean().item(),
            ssim=ssim,
            lpips=lpips,
            mse=error.square().mean().item(),
            mae=error.abs().mean().item(),
            directions_right=right,
            directions_near=int((cosines.abs() >= NEAR).sum()),
            exact=right == b == reconstruction.batch_size,
            recovered=recovered,
            psnr_min=psnrs.min().item(),
            psnr_bound=bounds.mean().item(),
            at_bound=at_bound,
            **self._of_table(reconstruction, truth),
            **_of_labels(reconstruction.labels, truth.labels, order),
            feature_similarity=similarities(reconstruction.inputs, truth.inputs).mean().item(),
            psnr_per_image=tuple(psnrs.tolist()),
        )

    def pictures(
        self, reconstruction: Reconstruction, truth: Truth
    ) -> tuple[Tensor, Tensor] | None:
        """What a figure shows: the originals and, in their order, their reconstructions.

        Returns:
            Two stacks b x C x H x W, de-normalised and clipped to [0, 1], or None where the
            attacked layer's inputs are not pictures.
        """
        if not self._shows_pictures(truth):
            return None
        found = _rows(reconstruction.inputs, match(reconstruction.inputs, truth.inputs))
        return (
            self._dataset.denormalized(_rows(truth.inputs)).clamp(0.0, 1.0),
            self._dataset.denormalized(found).clamp(0.0, 1.0),
        )

    def rows(
        self, reconstruction: Reconstruction, truth: Truth
    ) -> tuple[TableDomain, Tensor, Tensor] | None:
        """What a table shows: the original rows and, in their order, their reconstructions.

        Returns:
            The table and two stacks of values (b x features, `TableDomain.values`), or None where
            the attacked layer's inputs are no rows of a table.
        """
        table = self._dataset.domain
        if not isinstance(table, TableDomain) or not self._is_input(truth):
            return None
        inputs = _rows(reconstruction.inputs)
        inputs = inputs[inputs.isfinite().all(dim=1)]
        true = _rows(truth.inputs)
        # What is missing is a row of zeros, as for the other metrics.
        inputs = torch.cat([inputs, torch.zeros_like(true)[len(inputs) :]])
        values, found = table.values(true), table.values(inputs)
        _, order = linear_sum_assignment(table.distances(found, values).numpy())
        return table, values, found[torch.from_numpy(order)]

    def _is_input(self, truth: Truth) -> bool:
        n = truth.inputs.shape[1]
        return self._first_layer and n == math.prod(self._dataset.input_shape)

    def _shows_pictures(self, truth: Truth) -> bool:
        return self._is_input(truth) and self._dataset.is_image

    def _of_table(self, reconstruction: Reconstruction, truth: Truth) -> dict[str, float]:
        """The table's metrics by name, NaN where the attacked layer receives no rows of one."""
        rows = self.rows(reconstruction, truth)
        if rows is None:
            return dict.fromkeys(
                ("discrete_accuracy", "continuous_mae", "tabular_accuracy"), math.nan
            )
        table, true, found = rows
        wrong, discrete = table.wrong(found, true), table.is_discrete
        right = ~wrong
        return {
            "discrete_accuracy": right[:, discrete].double().mean().item(),
            "continuous_mae": (found - true)[:, ~discrete].abs().mean().item(),
            "tabular_accuracy": right.double().mean().item(),
        }

    def _mean_lpips(self, found: Tensor, true: Tensor) -> float:
        if self._lpips is None or min(true.shape[2:]) < perceptual.MIN_SIDE:
            return math.nan
        pairs = zip(found.clamp(0.0, 1.0), true.clamp(0.0, 1.0), strict=True)
        return torch.cat([self._lpips(x[None], y[None]) for x, y in pairs]).mean().item()


def _of_labels(found: Tensor | None, true: Tensor, order: Tensor) -> dict[str, float]:
    """The labels' metrics by name. That of an input that was missed is wrong, and zeros."""
    if found is None:
        names = ("label_accuracy", "labels_exact", "label_l1", "label_l2")
        return dict.fromkeys(names, math.nan)
    ours, truth = _rows(found, order), _rows(class_probabilities(true, found.shape[1]))
    right = (ours.argmax(dim=1) == truth.argmax(dim=1)) & (order >= 0)
    error = ours - truth
    l1 = error.abs().sum(dim=1)
    return {
        "label_accuracy": right.double().mean().item(),
        "labels_exact": (l1 < LABEL_EXACT).double().mean().item(),
        "label_l1": l1.mean().item(),
        "label_l2": torch.linalg.vector_norm(error, dim=1).mean().item(),
    }


def psnr(found: Tensor, true: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture, 10 log10(1 / MSE) in dB, at most `PSNR_CAP`.

    Args:
        found, true: b x C x H x W in float64, de-normalised; both are clipped to the data range
            [0, 1] first.
    """
    ratios = peak_signal_noise_ratio(
        found, true, data_range=(0.0, 1.0), reduction="none", dim=(1, 2, 3)
    )
    return ratios.clamp_max(PSNR_CAP)


def column_cosines(first: Tensor, second: Tensor) -> Tensor:
    """Cosine between each column of two m x b matrices (b); NaN where a column is zero."""
    # No floor under the norms (as in `cosine_similarity`): gradients may be as small as they like.
    return (normalize(first, dim=0, eps=0.0) * normalize(second, dim=0, eps=0.0)).sum(dim=0)


def _ssim(found: Tensor, true: Tensor) -> float:
    """Mean SSIM with the Gaussian window and constants of Wang et al. (2004), in float64.

    By scikit-image: its separable filters are some hundred times faster at 224 pixels than
    torchmetrics' convolution in float64.
    """
    if min(true.shape[2:]) < _SSIM_MIN_SIDE:
        return math.nan
    values = [
        structural_similarity(
            x.numpy(),
            y.numpy(),
            data_range=1.0,
            channel_axis=0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for x, y in zip(found.clamp(0.0, 1.0), true.clamp(0.0, 1.0), strict=True)
    ]
    return float(np.mean(values))


def _rows(matrix: Tensor, order: Tensor | None = None) -> Tensor:
    """The rows `order` of `matrix` in float64 on the CPU; -1 gives a row of zeros."""
    matrix = matrix.cpu().double()
    if order is None:
        return matrix
    return torch.cat([matrix, matrix.new_zeros(1, matrix.shape[1])])[order]
