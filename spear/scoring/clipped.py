"""Clipped examples: how much of a batch DP-SGD shortened, which its client alone can say."""

from spear.client.client import Client
from spear.client.defenses import ClippedMean
from spear.data.base import Batch


def clipped_examples(client: Client, batch: Batch) -> dict[str, float]:
    """Return the share of a batch's examples that the client clips, for a record.

    Args:
        client: the client that shares the batch's update.
        batch: its private batch.

    Returns:
        `clipped`, the share in [0, 1] of examples whose gradient at the server's weights is longer
        than C (App. E.6); nothing if the client does not clip each example by itself.
    """
    defense = client.defense
    if not isinstance(defense, ClippedMean):
        return {}
    return {"clipped": defense.share_clipped(client.network, client.loss, batch)}
