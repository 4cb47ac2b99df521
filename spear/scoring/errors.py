"""Errors of single entries: of pixels, or of whatever the attacked layer receives."""

from collections.abc import Mapping

from spear.scoring.matched import Matched
from spear.scoring.metric import Aggregate, Metric, Value, mean


class Errors(Metric):
    """Mean squared error (`mse`) and mean absolute error (`mae`) per entry, not clipped.

    On de-normalised pixels, in [0, 1] for the data, if the inputs are images; otherwise (tabular
    data, inner layers) on the inputs themselves.
    """

    names = ("mse", "mae")

    def __call__(self, matched: Matched) -> Mapping[str, Value]:
        """Compare each entry with the true one."""
        error = matched.found - matched.true
        return {"mse": error.square().mean().item(), "mae": error.abs().mean().item()}

    def summary(self) -> dict[str, tuple[str, Aggregate]]:
        """Return both means."""
        return {"mae_mean": ("mae", mean), "mse_mean": ("mse", mean)}
