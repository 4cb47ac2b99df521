"""Size of the work done at once: what fits the cache of a CPU, or a share of a GPU's memory."""

import torch

GPU_SHARE = 32
"""A GPU's memory holds this many arrays of the largest size; a few are alive at a time."""


def bytes_at_once(device: torch.device, on_cpu: int, gpu_share: int = GPU_SHARE) -> int:
    """Bytes of the largest array: `on_cpu` on a CPU, one part in `gpu_share` of a GPU's memory.

    The share is of all memory, not of the free part: the same seed then gives the same result next
    to other work.
    """
    if device.type != "cuda":
        return on_cpu
    return int(torch.cuda.get_device_properties(device).total_memory) // gpu_share
