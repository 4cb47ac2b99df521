"""Hidden states of every token position, from the gradients of a gated block."""

from torch import nn

from spear.attack import BlockAttack, ProgressCallback
from spear.inversion.gated.attack import SpearGated
from spear.reconstruction import Reconstruction, Status
from spear.transformer import GatedBlock, GatedLayers, gated_block_at


class SpearGatedBlock(BlockAttack[GatedLayers]):
    """Finds the hidden states that enter a gated block of a transformer, such as Llama's.

    As `spear.inversion.SpearBlock`, for SwiGLU and GEGLU; the result is never `exact`.

    Args:
        block: number among the gated blocks, counted from 0.
        time_limit: seconds per batch after which the search gives up; None for no limit.
        max_starts: starts after which it gives up.

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self, block: int = 0, time_limit: float | None = 60.0, max_starts: float = 1e5
    ) -> None:
        super().__init__(block)
        self.search = SpearGated(time_limit, max_starts)

    def found(self, model: nn.Module) -> GatedBlock:
        """Implement `BlockAttack`."""
        return gated_block_at(model, self.block)

    def __call__(
        self, observation: GatedLayers, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`; see `SpearGated`."""
        m, n = observation.gate.shape
        if not (observation.gate_gradient.any() or observation.up_gradient.any()):
            return Reconstruction.empty(m, n, Status.ZERO_GRADIENT)
        return self.search(observation, seed=seed, progress=progress)
