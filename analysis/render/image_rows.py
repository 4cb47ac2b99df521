"""Rows of pictures by the descent, by gradient matching, and of the originals, as in Figure 9."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from spear.analysis.render import style
from spear.analysis.render.methods import OURS
from spear.scoring.sheet import read_sheet

NAMES = {"spear_irls": OURS, "geiping_1000": "Geiping et al."}
ORIGINAL = "original"

_GAP = 0.05
"""Gap between pictures, as a share of their side."""
_COLUMNS = 10


@dataclass(frozen=True)
class PictureRows:
    """Pictures as each attack reconstructs them, and the originals.

    Attributes:
        rows: label -> pictures (b x 3 x H x W in [0, 1]), from top to bottom.
    """

    rows: dict[str, Tensor]

    @classmethod
    def of(cls, results: pd.DataFrame) -> "PictureRows":
        """Return the pictures of the first batch of each attack's job.

        Raises:
            FileNotFoundError: a job's sheet was not collected.
            ValueError: the jobs have different batches.
        """
        rows, truth = {}, None
        for attack, name in NAMES.items():
            job = results[results["attack"] == attack].iloc[0]
            sheet = Path(job["sheet"])
            if not sheet.is_file():
                raise FileNotFoundError(
                    f"{sheet} is missing; collect it by `spear collect --sheets outputs/figure9`."
                )
            originals, found = read_sheet(sheet, int(job["batch_size"]))
            if truth is not None and not torch.equal(truth, originals):
                raise ValueError("the attacks' batches differ; run them with the same seed.")
            truth = originals
            rows[f"{name}\n{job['psnr']:.1f} dB"] = found
        assert truth is not None  # there are attacks
        return cls({**rows, ORIGINAL: truth})

    def chosen(self, indices: list[int]) -> "PictureRows":
        """Return some of the pictures."""
        return PictureRows({label: pictures[indices] for label, pictures in self.rows.items()})

    def draw(self, width: float = style.WIDTH) -> Figure:
        """Draw strips of at most 10 pictures; `width` is in inches."""
        b = len(self.rows[ORIGINAL])
        strips = [list(range(b))[k : k + _COLUMNS] for k in range(0, b, _COLUMNS)]
        cell = (width - 1.0) / min(b, _COLUMNS)
        height = len(strips) * (len(self.rows) * cell + 0.15) + 0.25
        figure = Figure(figsize=(width, height))
        for axes, indices in zip(
            figure.subplots(len(strips), squeeze=False).flat, strips, strict=True
        ):
            self.chosen(indices)._show(axes)
        return figure

    def _show(self, axes: Axes) -> None:
        side = self.rows[ORIGINAL].shape[2]
        gap = round(_GAP * side)
        grid = [
            np.concatenate([_padded(p, gap) for p in row], axis=1) for row in self.rows.values()
        ]
        axes.imshow(np.concatenate(grid), interpolation="nearest")
        centres = [(k + 0.5) * (side + gap) for k in range(len(grid))]
        axes.set_yticks(centres, list(self.rows))
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.grid(False)
        axes.spines[:].set_visible(False)


def _padded(picture: Tensor, gap: int) -> np.ndarray:
    """Return a picture, H x W x 3, with a white gap at the right and below."""
    pixels = picture.permute(1, 2, 0).numpy()
    return np.pad(pixels, ((0, gap), (0, gap), (0, 0)), constant_values=1.0)
