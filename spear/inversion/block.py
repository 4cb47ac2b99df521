"""Hidden states of every token position, from the gradient of a feed-forward block."""

from torch import nn

from spear.attack import BlockAttack, ProgressCallback
from spear.inversion.pair import SpearPair
from spear.observation import LayerPair
from spear.reconstruction import Reconstruction
from spear.transformer import Block, block_at


class SpearBlock(BlockAttack[LayerPair]):
    """Finds the hidden states that enter a feed-forward block of a transformer.

    The block is a layer pair: a layer, an activation and the layer back. Each token position that
    has a gradient is one input of it; equal states share one row. There have to be fewer of them
    than the model is wide. Dropout, as in training, does not matter.

    Args:
        block: number of the block in order of execution, counted from 0.
        time_limit: seconds per batch after which the search gives up; None for no limit.
        max_starts: starts after which it gives up.
        device: where to search, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self,
        block: int = 0,
        time_limit: float | None = 60.0,
        max_starts: float = 1e6,
        device: str = "cpu",
    ) -> None:
        super().__init__(block)
        self.search = SpearPair(time_limit=time_limit, max_starts=max_starts, device=device)

    def found(self, model: nn.Module) -> Block:
        """Implement `BlockAttack`."""
        return block_at(model, self.block)

    def __call__(
        self, observation: LayerPair, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`; see `spear.inversion.SpearPair`."""
        return self.search(observation, seed=seed, progress=progress)
