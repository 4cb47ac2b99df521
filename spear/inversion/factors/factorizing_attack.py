"""Base of the attacks that factorise the gradient of one layer."""

from spear.attack import LayerAttack
from spear.inversion.factors.rank import check_rank
from spear.layers import Sparsity
from spear.settings import check_run


class FactorizingAttack(LayerAttack):
    """Settings of an attack on the factors of a layer's gradient, whose rank is the batch size.

    Args:
        layer: number of the attacked layer, counted from 1; -1 is the last one.
        sparsity: factor that must be sparse; see `spear.attack.LayerAttack`.
        time_limit: seconds per batch; None for no limit.
        rank: batch size; None to take it from the singular values of the gradient.
        device: where to compute, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
        LayerError: `layer` is no whole number.
    """

    def __init__(
        self,
        layer: int,
        sparsity: Sparsity | None,
        time_limit: float | None,
        rank: int | None,
        device: str,
    ) -> None:
        check_rank(rank)
        super().__init__(layer, sparsity)
        check_run(time_limit, device)
        self.time_limit = time_limit
        self.rank = rank
        self.device = device
