"""Private data of each client."""

import torch

from spear.data import CIFAR10, Batch, Faces
from spear.data.base import Dataset
from spear.errors import ConfigError


def private_pictures(dataset: str, root: str, client: int, samples: int, seed: int) -> Batch:
    """Return the pictures of one client, in [-1, 1], and their labels; no two clients share any.

    Args:
        dataset: "faces" (comes with scikit-image) or "cifar10".
        root: folder that contains `cifar-10-batches-py`.
        client: number of the client, from 0.
        samples: number of pictures of each client.
        seed: seed of the draw that distributes the pictures.

    Raises:
        ConfigError: the data set has too few pictures for this client.
        DatasetError: the files of the data set are missing or unreadable.
    """
    source: Dataset = Faces(normalize=False) if dataset == "faces" else _cifar10(root)
    if (client + 1) * samples > len(source):
        raise ConfigError(
            f"client {client} has no {samples} pictures of its own among the {len(source)} of "
            f"{dataset}; lower samples or the number of clients."
        )
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(seed))
    dealt = source.collected(order[client * samples : (client + 1) * samples].tolist())
    return Batch(2 * dealt.inputs - 1, dealt.labels)


def _cifar10(root: str) -> CIFAR10:
    return CIFAR10(root, split="train", normalize=False)
