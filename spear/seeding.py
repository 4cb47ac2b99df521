"""Random streams: batch k of a job depends on (seed, k) alone, whatever ran before it."""

from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """Purpose of random numbers; the streams of one batch are independent.

    `TRAINING` is the training of the network, before the first batch.
    """

    DATA = 0
    CLIENT = 1
    ATTACK = 2
    TRAINING = 3


def batch_seed(seed: int, batch: int, stream: Stream) -> int:
    """Return the seed (0 to 2^63 - 1) of one stream in batch number `batch` of a job's `seed`."""
    state = np.random.SeedSequence([seed, batch, stream]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def batch_generator(seed: int, batch: int, stream: Stream) -> torch.Generator:
    """Return a CPU generator seeded with `batch_seed`."""
    return torch.Generator().manual_seed(batch_seed(seed, batch, stream))
