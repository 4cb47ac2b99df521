"""Directions: columns of the shared dL/dZ that an attack found, up to scale."""

from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor
from torch.nn.functional import normalize

from spear.scoring.matched import Matched, in_float64
from spear.scoring.metric import Aggregate, Metric, Value, count, mean
from spear.scoring.shown import shown_texts

NEAR = 0.9
"""Least |cos| between a found and a true direction that are equal up to noise. Two true directions
have much less (0.2 to 0.5 on Tiny ImageNet), and an even mixture of two has 0.7 to either."""


class Directions(Metric):
    """Numbers of directions that are right.

    - `exact`: as many inputs reconstructed as there are, and every direction right.
    - `directions_right`: number of columns of the shared dL/dZ (`Truth.shared_gradients`) that the
      attack found, up to scale.
    - `directions_near`: number that it found up to scale and noise (`NEAR`).

    An attack on text finds sequences instead: these count as directions that are right, and near,
    if every token is right.

    In a summary, `n_exact` is the number of batches in which every direction is right and
    `accuracy` their share.

    An attack on the network's own inputs has no directions. There an input counts, if its squared
    error, relative to the squared length of the true one, is at most twice the tolerance.

    Args:
        cosine_tolerance: largest 1 - |cos| between a direction and the true one at which it is
            right.
    """

    names = ("exact", "directions_right", "directions_near")
    kinds = MappingProxyType({"exact": bool, "directions_right": int, "directions_near": int})

    def __init__(self, cosine_tolerance: float = 1e-6) -> None:
        self.cosine_tolerance = cosine_tolerance

    def __call__(self, matched: Matched) -> Mapping[str, Value]:
        """Compare each direction with the one that belongs to its input."""
        texts = shown_texts(matched)
        if texts is not None:
            _, true, read = texts
            right, b = int((true == read).all(dim=1).sum()), len(true)
            whole = right == b == matched.reconstruction.batch_size
            return {"exact": whole, "directions_right": right, "directions_near": right}
        found = matched.reconstruction.activation_gradients
        if not len(matched.truth.activation_gradients) or not len(found):
            return self._of_inputs(matched)
        cosines = column_cosines(
            matched.ordered(matched.reconstruction.activation_gradients.T).T,
            in_float64(matched.truth.shared_gradients.T).T,
        )
        right = int((1.0 - cosines.abs() <= self.cosine_tolerance).sum())
        b = len(matched.truth.inputs)
        return {
            "exact": right == b == matched.reconstruction.batch_size,
            "directions_right": right,
            "directions_near": int((cosines.abs() >= NEAR).sum()),
        }

    def _of_inputs(self, matched: Matched) -> Mapping[str, Value]:
        true = in_float64(matched.truth.inputs)
        errors = matched.ordered(matched.reconstruction.inputs) - true
        limit = 2 * self.cosine_tolerance * true.square().sum(dim=1)
        right = int((errors.square().sum(dim=1) <= limit).sum())
        return {
            "exact": right == len(true) == matched.reconstruction.batch_size,
            "directions_right": right,
            "directions_near": right,
        }

    def summary(self) -> dict[str, tuple[str, Aggregate]]:
        """Return the number of exact batches and their share."""
        return {"n_exact": ("exact", count), "accuracy": ("exact", mean)}


def column_cosines(first: Tensor, second: Tensor) -> Tensor:
    """Return the cosine between each column of two m x b matrices (b); NaN if one is zero."""
    # No floor under the norms (as in `cosine_similarity`): gradients may be as small as they like.
    return (normalize(first, dim=0, eps=0.0) * normalize(second, dim=0, eps=0.0)).sum(dim=0)
