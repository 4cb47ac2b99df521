"""Images: peak signal-to-noise ratio, its bound, and structural similarity."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from skimage.metrics import structural_similarity

from spear.scoring.matched import Matched
from spear.scoring.metric import Aggregate, Metric, Value, deviation, mean, share_of_ones
from spear.scoring.signal_to_noise import psnr

RECOVERED_PSNR = 20.0
"""Least PSNR, in dB, of an image that counts as recovered if noise or local training permit no
exact reconstruction. The paper states accuracies for these cases (Tables 9 to 11) but no bound.
Chance hardly reaches it: of 1,000 images of CIFAR-10, Tiny ImageNet or MNIST at most 2 have this
PSNR to the mean image, and none has it to another of 20 in a batch."""

AT_BOUND = 3.0
"""Largest distance below its bound, in dB, at which an image's PSNR counts as at the bound."""

_SSIM_MIN_SIDE = 11
"""Side of SSIM's Gaussian window, in pixels."""


class PSNR(Metric):
    """Peak signal-to-noise ratio of images clipped to [0, 1], in dB; NaN for other inputs.

    - `recovered`: share of the images whose PSNR is at least `RECOVERED_PSNR`.
    - `psnr`, `psnr_min`: mean and lowest over the batch.
    - `psnr_bound`: mean PSNR of the inputs by least squares if dL/dZ were known
      (`Truth.best_inputs`); NaN without the update.
    - `at_bound`: share of the images that reach their own bound less `AT_BOUND`.

    In a summary, `accuracy_recovered` is the share of the batches in which every image is
    recovered and `psnr_std` the standard deviation over batches.
    """

    names = ("recovered", "psnr", "psnr_min", "psnr_bound", "at_bound")

    def __call__(self, matched: Matched) -> Mapping[str, Value]:
        """Compare each image with its original, and with the best estimate that noise permits."""
        psnrs = matched.psnr_per_image
        bounds = torch.full_like(psnrs, math.nan)
        recovered, at_bound = math.nan, math.nan
        if matched.are_images:
            recovered = (psnrs >= RECOVERED_PSNR).double().mean().item()
            if matched.best is not None:
                bounds = psnr(matched.best, matched.true)
                at_bound = (psnrs >= bounds - AT_BOUND).double().mean().item()
        return {
            "recovered": recovered,
            "psnr": psnrs.mean().item(),
            "psnr_min": psnrs.min().item(),
            "psnr_bound": bounds.mean().item(),
            "at_bound": at_bound,
        }

    def summary(self) -> dict[str, tuple[str, Aggregate]]:
        """Return means, the deviation, and the share of batches recovered as a whole."""
        return {
            "accuracy_recovered": ("recovered", share_of_ones),
            "recovered_mean": ("recovered", mean),
            "psnr_mean": ("psnr", mean),
            "psnr_std": ("psnr", deviation),
            "psnr_bound_mean": ("psnr_bound", mean),
            "at_bound_mean": ("at_bound", mean),
        }


class SSIM(Metric):
    """Structural similarity of images clipped to [0, 1] (`ssim`), 1 for equal ones.

    Mean over the batch, with the Gaussian window and constants of Wang et al. (2004). NaN for
    images of less than 11 pixels a side, and for other inputs.
    """

    names = ("ssim",)

    def __call__(self, matched: Matched) -> Mapping[str, Value]:
        """Compare each image with its original.

        scikit-image computes it: its separable filters are some hundred times faster at 224 pixels
        than torchmetrics' convolution in float64.
        """
        if not matched.are_images or min(matched.true.shape[2:]) < _SSIM_MIN_SIDE:
            return {"ssim": math.nan}
        pairs = zip(matched.found.clamp(0.0, 1.0), matched.true.clamp(0.0, 1.0), strict=True)
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
            for x, y in pairs
        ]
        return {"ssim": float(np.mean(values))}
