"""A batch and its reconstruction side by side, as in the paper's Figures 9 to 12."""

import math
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.image import BboxImage
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox, TransformedBbox
from torch import Tensor

from spear.scoring.sheet import SHOWN, thumbnails
from spear.scoring.signal_to_noise import psnr

_COLUMNS = 10
_DPI = 150
_CELL = SHOWN / _DPI
"""Width of an image, in inches, like every length below."""
_GAP = 0.05
_LABELS = 1.05
_PSNR_LINE = 0.28
_TITLE_LINE = 0.4
_LARGEST_POWER = 16
"""Largest power of ten by which errors are magnified; at 10^16 float64's own resolution shows."""


def reconstruction_figure(
    originals: Tensor, reconstructions: Tensor, path: Path, title: str
) -> None:
    """Write a PNG: each original above its reconstruction, the absolute error and the PSNR below.

    At most 10 images stand side by side; further ones follow in strips below. All errors are
    magnified by the same power of ten, chosen so that the typical image's error is visible; if few
    images fail, theirs are over-exposed.

    Args:
        originals, reconstructions: b x C x H x W in [0, 1], C = 1 or 3, b >= 1.
        path: of the PNG; missing folders are made.
        title: one line.
    """
    truth, found = originals.cpu().double(), reconstructions.cpu().double()
    error = (found - truth).abs()
    power = _magnification(error)
    rows = {
        "original": thumbnails(truth),
        "reconstruction": thumbnails(found),
        f"|error| $\\times\\,10^{{{power}}}$" if power else "|error|": thumbnails(
            (error * 10.0**power).clamp_max(1.0)
        ),
    }
    b, _, height, width = truth.shape
    cell_height = _CELL * height / width
    strips = math.ceil(b / _COLUMNS)
    strip_height = len(rows) * (cell_height + _GAP) + _PSNR_LINE
    figure = Figure(
        figsize=(
            _LABELS + min(b, _COLUMNS) * (_CELL + _GAP),
            _TITLE_LINE + strips * strip_height,
        ),
        dpi=_DPI,
    )
    canvas = _Canvas(figure)
    canvas.text(0.0, 0.1, title, size=10.0, ha="left", va="top")
    for index, value in enumerate(psnr(found, truth).tolist()):
        strip, column = divmod(index, _COLUMNS)
        left = _LABELS + column * (_CELL + _GAP)
        top = _TITLE_LINE + strip * strip_height
        for label, images in rows.items():
            if column == 0:
                canvas.text(_LABELS - 0.08, top + cell_height / 2, label, ha="right", va="center")
            canvas.image(left, top, cell_height, images[index])
            top += cell_height + _GAP
        if column == 0:
            canvas.text(_LABELS - 0.08, top, "PSNR (dB)", ha="right", va="top")
        canvas.text(left + _CELL / 2, top, f"{value:.1f}", ha="center", va="top")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight", pad_inches=0.1)


def _magnification(error: Tensor) -> int:
    """Return the largest k >= 0 at which half of the images have an RMS error below 0.5."""
    typical = error.square().mean(dim=(1, 2, 3)).sqrt().median().item()
    if typical == 0.0:
        return _LARGEST_POWER
    return min(max(math.floor(math.log10(0.5 / typical)), 0), _LARGEST_POWER)


class _Canvas:
    """A figure addressed in inches from its upper left corner."""

    def __init__(self, figure: Figure) -> None:
        self._figure = figure
        self._width, self._height = figure.get_size_inches()

    def text(self, x: float, y: float, words: str, *, ha: str, va: str, size: float = 7.5) -> None:
        self._figure.text(
            x / self._width, 1.0 - y / self._height, words, ha=ha, va=va, fontsize=size
        )

    def image(self, x: float, y: float, height: float, values: Tensor) -> None:
        """Draw without axes, which take most of the time of a job with few small images."""
        place = Bbox.from_bounds(
            x / self._width,
            1.0 - (y + height) / self._height,
            _CELL / self._width,
            height / self._height,
        )
        to_figure = self._figure.transFigure
        drawn = BboxImage(TransformedBbox(place, to_figure), cmap="gray", interpolation="nearest")
        drawn.set_data(values.permute(1, 2, 0).numpy())
        drawn.set_clim(0.0, 1.0)
        corner = (place.x0, place.y0)
        frame = Rectangle(corner, place.width, place.height, fill=False, transform=to_figure)
        frame.set(edgecolor="0.6", linewidth=0.4)
        self._figure.add_artist(drawn)
        self._figure.add_artist(frame)
