"""Features: inputs of an inner layer, compared up to sign and scale."""

import math
from collections.abc import Mapping

from spear.scoring.matched import Matched
from spear.scoring.matching import similarities
from spear.scoring.metric import Metric, Value


class Features(Metric):
    """Mean |cos| between true inputs and reconstructed ones (`feature_similarity`), in [0, 1].

    The inputs are compared as the attacked layer receives them. They are matched by |cos| itself
    (`spear.scoring.matching.similarities`), which ignores sign and scale. NaN for tokens.
    """

    names = ("feature_similarity",)

    def __call__(self, matched: Matched) -> Mapping[str, Value]:
        """Compare the inputs in the assignment that makes them most similar."""
        if matched.are_tokens:
            return {"feature_similarity": math.nan}
        alike = similarities(matched.reconstruction.inputs, matched.truth.inputs)
        return {"feature_similarity": alike.mean().item()}
