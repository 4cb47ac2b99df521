"""Top-k sparsification of an update."""

import torch
from torch import Tensor

from spear.client.defenses.compression import Compression
from spear.client.defenses.sparsification import check_share


class TopK(Compression):
    """Top-k: of all parameters together, the k entries of largest magnitude are sent.

    Stich et al. ("Sparsified SGD with memory", NeurIPS 2018), in a client's first round.
    `Sparsification` prunes each parameter by itself instead: here a layer of small entries may lose
    all of them. Entries sent are exact and determine others (`attack=spear_pruned`).

    Args:
        share: of the entries that are not sent, in [0, 1); their number is rounded down.

    Raises:
        ConfigError: the share is not in [0, 1).
    """

    def __init__(self, share: float) -> None:
        check_share(share)
        self.share = share

    def compress(
        self, update: dict[str, Tensor], generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        """Implement `Compression`; nothing is drawn from `generator`."""
        flat = torch.cat([value.flatten() for value in update.values()])
        least = flat.abs().topk(int(self.share * len(flat)), largest=False).indices
        kept = flat.index_fill(0, least, 0.0)
        parts = torch.split(kept, [value.numel() for value in update.values()])
        return {
            name: part.view_as(value)
            for (name, value), part in zip(update.items(), parts, strict=True)
        }
