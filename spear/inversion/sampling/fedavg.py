"""SPEAR for updates of local training (App. F): Algorithm 1 that ends at a lambda below 1."""

from dataclasses import dataclass

from spear.inversion.directions.selection import Selection
from spear.inversion.sampling.attack import Spear
from spear.reconstruction import Status


@dataclass(frozen=True, eq=False)
class SpearFedAvg(Spear):
    """Algorithm 1 on the sum of dL/dZ over local steps, as Appendix F applies it.

    Submatrices have b - 1 rows, as for a single gradient: the b + 1 rows of App. E.6 (`SpearNoisy`)
    are for added noise alone. A neuron that switches on in some step has no zero in the sum, so
    that lambda may stay below 1. The paper names no value; the search ends when each sample
    disagrees with its ReLU pattern no more than local steps explain
    (`spear.inversion.directions.verdict`).

    Args:
        layer, sampler, p_false_reject, max_submatrices, time_limit, swaps, rank, device, dtype: see
            `Spear`.

    Raises:
        ConfigError: a setting is out of range.
    """

    def _is_enough(self, selection: Selection) -> bool:
        return selection.status is not Status.PARTIAL
