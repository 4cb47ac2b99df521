"""Updates that consist of signs alone, whose rank says nothing of the batch."""

from torch import Tensor

from spear.errors import HiddenRank

LEAST = 3
"""Active rows and columns from which on equal magnitudes are no accident. Before two classes the
last layer's rows have equal magnitudes, and the inputs may be zeros and ones."""


def check_no_signs(gradient: Tensor) -> None:
    """Refuse a gradient whose entries are all 0 or of one magnitude.

    Args:
        gradient: m x n.

    Raises:
        HiddenRank: it is so, in at least 3 rows and columns.
    """
    if _varies(gradient[0].abs()):  # as almost always: the whole matrix need not be copied
        return
    magnitudes = gradient.abs()
    largest = magnitudes.max()
    nonzero = magnitudes > 0
    if _varies(magnitudes):
        return
    if min(int(nonzero.any(dim=1).sum()), int(nonzero.any(dim=0).sum())) >= LEAST:
        raise HiddenRank(
            f"every entry of weight_gradient is 0 or {float(largest):.3g} in magnitude: these are "
            "signs, whose rank says nothing of the batch; give the batch size as rank, to attacks "
            "that take one, for estimates of the inputs."
        )


def _varies(magnitudes: Tensor) -> bool:
    """Return whether entries other than 0 differ."""
    return bool(((magnitudes > 0) & (magnitudes != magnitudes.max())).any())
