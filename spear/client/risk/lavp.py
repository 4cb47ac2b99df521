"""Loss-aware vulnerability proxies (LAVP; "Foreseeing Reconstruction Quality of Gradient Inversion:
An Optimization Perspective", AAAI 2024, arXiv 2312.12488)."""

import math
import time

from torch import nn

from spear.client.risk.eigenvalues import NOT_FOUND, Extremes, extremes
from spear.client.risk.hessian import Gram, cosine_distance_hessian, squared_distance_hessian
from spear.client.risk.jacobian import GradientJacobian
from spear.data.base import Batch
from spear.errors import ConfigError


class Lavp:
    """Forecast by the extreme eigenvalues of the Hessians of two matching losses at the truth.

    According to the theory, the smaller they are, the more the loss of an attack can fall near the
    truth, and the more the batch is at risk. The paper is about batches of one. For a larger batch
    the Hessian is by all of its inputs together, as an attack descends on them.

    The forecast is for the network's plain gradient, without defense or local training.

    Args:
        tolerance: relative error of the eigenvalues, in (0, 1).
        max_dense: most entries of a batch's inputs for which a Hessian may be formed, if the
            smallest eigenvalue is not found otherwise (`spear.client.risk.eigenvalues.extremes`).

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(self, tolerance: float = 1e-6, max_dense: int = 4096) -> None:
        if not 0.0 < tolerance < 1.0:
            raise ConfigError(f"tolerance is {tolerance}; expected a number between 0 and 1.")
        if max_dense < 0:
            raise ConfigError(f"max_dense is {max_dense}; expected 0 or more.")
        self.tolerance = tolerance
        self.max_dense = max_dense

    def __call__(self, network: nn.Module, loss: nn.Module, batch: Batch) -> dict[str, float]:
        """Implement `RiskForecast`.

        Returns:
            - `gradient_norm`: the baseline |g| over all trained parameters.
            - `lavp_l2_max`, `lavp_l2_min`: eigenvalues for the L2 distance.
            - `lavp_cosine_max`, `lavp_cosine_min`: for the cosine distance, NaN if g = 0.
            - `..._residual` of each of these four: see `Eigenvalue`.
            - `lavp_fused_max`, `lavp_fused_min`: geometric means of both distances.
            - `lavp_dense`: 1 if the Hessians were formed, else 0.
            - `lavp_seconds`: wall time.

            NaN stands for an eigenvalue that was not found.

        Raises:
            VictimError, InvalidObservation: see `GradientJacobian`.
        """
        began = time.perf_counter()
        gram = Gram(GradientJacobian(network, loss, batch))
        norm = gram.jacobian.norm
        hessians = {"l2": squared_distance_hessian(gram)}
        if norm > 0.0:  # else the cosine distance is not defined
            hessians["cosine"] = cosine_distance_hessian(gram)
        ends = {
            name: extremes(hessian, self.tolerance, self.max_dense)
            for name, hessian in hessians.items()
        }
        l2, cosine = ends["l2"], ends.get("cosine", UNKNOWN)
        return {
            "gradient_norm": norm,
            **_numbers("l2", l2),
            **_numbers("cosine", cosine),
            "lavp_fused_max": math.sqrt(l2.largest.value * cosine.largest.value),
            "lavp_fused_min": math.sqrt(l2.smallest.value * cosine.smallest.value),
            "lavp_dense": float(gram.formed),
            "lavp_seconds": time.perf_counter() - began,
        }


UNKNOWN = Extremes(NOT_FOUND, NOT_FOUND)


def _numbers(loss: str, ends: Extremes) -> dict[str, float]:
    """The eigenvalues of one loss and their residuals, by name."""
    named = {"max": ends.largest, "min": ends.smallest}
    values = {f"lavp_{loss}_{end}": each.value for end, each in named.items()}
    residuals = {f"lavp_{loss}_{end}_residual": each.residual for end, each in named.items()}
    return values | residuals
