"""Limits of a search for the samples of a layer pair."""

from dataclasses import dataclass

from spear.inversion.factors.rank import check_rank
from spear.layers import check_number
from spear.settings import check_least, check_run


@dataclass(frozen=True)
class Limits:
    """Settings that every attack on layer pairs has.

    Attributes:
        time_limit: seconds per batch after which the search gives up; None for no limit.
        max_starts: starts after which it gives up.
        rank: batch size; None to take it from the singular values of the gradient.
        device: where to search, "cpu" or "cuda".

    Raises:
        ConfigError: one is out of range.
    """

    time_limit: float | None = 60.0
    max_starts: float = 1e6
    rank: int | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_rank(self.rank)
        check_least(1, max_starts=self.max_starts)
        check_run(self.time_limit, self.device)


class LimitedAttack:
    """Base of attacks on a layer pair or a chain, with the settings that all of them have.

    Args:
        layer: first linear layer of the pair, or the one that is wanted, counted from 1; -1 is the
            last.
        time_limit: seconds per batch after which the search gives up; None for no limit.
        max_starts: starts after which it gives up, in each pair.
        rank: batch size; None to take it from the singular values of the gradient.
        device: where to search, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
        LayerError: `layer` is no whole number.
    """

    given_labels = False

    def __init__(
        self,
        layer: int = 1,
        time_limit: float | None = 60.0,
        max_starts: float = 1e6,
        rank: int | None = None,
        device: str = "cpu",
    ) -> None:
        check_number(layer)
        self.layer = layer
        self.limits = Limits(time_limit, max_starts, rank, device)
