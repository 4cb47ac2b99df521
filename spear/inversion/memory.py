"""How much to work on at once: what fits the cache of a CPU, or a share of a GPU's memory."""

import torch

GPU_SHARE = 32
"""A GPU's memory holds this many arrays of the largest size; a few are alive at a time."""


def bytes_at_once(device: torch.device, on_cpu: int) -> int:
    """Bytes of the largest array: `on_cpu` on a CPU, a share of all memory on a GPU.

    Of all, not of what is free: the same seed then gives the same result beside other work.
    """
    if device.type != "cuda":
        return on_cpu
    return int(torch.cuda.get_device_properties(device).total_memory) // GPU_SHARE
