"""Peak signal-to-noise ratio of images."""

from torch import Tensor

PSNR_CAP = 320.0
"""Highest PSNR in dB, which equal images have instead of infinity: the rounding error of float64
(2^-53) is at 319 dB."""


def psnr(found: Tensor, true: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio of each image: 10 log10(1 / MSE), at most `PSNR_CAP`.

    Args:
        found, true: b x C x H x W in float64, de-normalised; both are clipped to the data range
            [0, 1] first.

    Returns:
        b values in dB.
    """
    # Takes seconds to import, and `import spear` loads this module.
    from torchmetrics.functional.image import peak_signal_noise_ratio

    ratios = peak_signal_noise_ratio(
        found, true, data_range=(0.0, 1.0), reduction="none", dim=(1, 2, 3)
    )
    return ratios.clamp_max(PSNR_CAP)
