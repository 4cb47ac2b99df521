"""Settings that all attacks by sampling share."""

from dataclasses import dataclass

import torch

from spear.errors import ConfigError
from spear.inversion.factors.rank import check_rank
from spear.settings import check_device, check_least, check_time_limit, is_number

DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """Settings of Algorithm 1, whatever it draws from.

    The attacks inherit these fields instead of holding an object of them, so that each is a key of
    the attack itself (`attack.max_submatrices`) and an argument of its constructor.

    Args:
        p_false_reject: p_fr, the chance to reject a true direction for its sparsity (Sec. 4.1).
        max_submatrices: N, the number at which the search gives up (the paper's is 2e9).
        time_limit: seconds per batch after which the search gives up; None for no limit.
        swaps: whether GreedyFilter runs its second stage (Sec. 4.2; Fig. 6 is without).
        rank: batch size; None to take it from the singular values of the gradient.
        device: where to search, "cpu" or "cuda".
        dtype: precision of the search, "float32" or "float64"; what it finds is always refined in
            float64.

    Raises:
        ConfigError: a setting is out of range.
    """

    p_false_reject: float = 1e-5
    max_submatrices: float = 2e9
    time_limit: float | None = None
    swaps: bool = True
    rank: int | None = None
    device: str = "cpu"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if not (is_number(self.p_false_reject) and 0 < self.p_false_reject < 1):
            raise ConfigError(
                f"p_false_reject is {self.p_false_reject!r}; expected a probability in (0, 1)."
            )
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype is {self.dtype!r}; expected one of {sorted(DTYPES)}.")
        check_least(0, max_submatrices=self.max_submatrices)
        check_rank(self.rank)
        check_time_limit(self.time_limit)
        check_device(self.device)

    @property
    def search_dtype(self) -> torch.dtype:
        """The torch type that `dtype` names."""
        return DTYPES[self.dtype]
