"""Share of a batch within a distance of the truth, the measure of the peeling paper."""

from collections.abc import Mapping

import torch

from spear.scoring.matched import Matched
from spear.scoring.metric import Metric, Value
from spear.settings import check_above_zero


class WithinDistance(Metric):
    """Share of the inputs whose reconstruction lies within a Euclidean distance (`within`).

    0.01 in images of values in [0, 1] is the measure of Shariati and Meybodi (arXiv 2609.09659):
    75 dB of PSNR at 32 x 32 x 3. Images are de-normalised first.

    Args:
        distance: the largest that counts.

    Raises:
        ConfigError: it is not above 0.
    """

    names = ("within",)

    def __init__(self, distance: float = 0.01) -> None:
        check_above_zero(distance=distance)
        self.distance = distance

    def __call__(self, matched: Matched) -> Mapping[str, Value]:
        """Compare each input with its original."""
        errors = (matched.found - matched.true).flatten(1)
        near = torch.linalg.vector_norm(errors, dim=1) < self.distance
        return {"within": float(near.double().mean())}
