"""Errors of single entries: of pixels, or of the attacked layer's inputs."""

import math
from collections.abc import Mapping

from spear.scoring.matched import Matched
from spear.scoring.metric import Aggregate, Metric, Value, mean


class Errors(Metric):
    """Mean squared error (`mse`) and mean absolute error (`mae`) per entry, not clipped.

    For images, entries are de-normalised pixels, in [0, 1] for the data. Otherwise (tabular data,
    inner layers) they are the inputs themselves. NaN for tokens.
    """

    names = ("mse", "mae")

    def __call__(self, matched: Matched) -> Mapping[str, Value]:
        """Compare each entry with the true one."""
        if matched.are_tokens:
            return dict.fromkeys(self.names, math.nan)
        error = matched.found - matched.true
        return {"mse": error.square().mean().item(), "mae": error.abs().mean().item()}

    def summary(self) -> dict[str, tuple[str, Aggregate]]:
        """Return both means."""
        return {"mae_mean": ("mae", mean), "mse_mean": ("mse", mean)}
