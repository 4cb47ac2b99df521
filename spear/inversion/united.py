"""Inputs that an attack recovered in several rounds, each of them once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from spear.errors import ConfigError
from spear.reconstruction import Reconstruction, Status

SAME = 1e-4
"""Largest relative distance of two reconstructions of one input, each of which is exact."""


def united(found: Sequence[Reconstruction]) -> Reconstruction:
    """Return the inputs of all rounds that were solved exactly, each of them once.

    Rounds that are not exact add nothing: nothing tells their right inputs from wrong ones. So
    every input returned is right if each `exact` is. Inputs of different rounds that are nearer
    than `SAME` count as one.

    Args:
        found: the reconstruction of each round, of the same layer.

    Returns:
        A reconstruction of inputs alone. It is `exact` if every round is, and `partial` otherwise.
        Among `details` are `rounds`, `rounds_exact`, and `recurring`, the number of inputs that
        every exact round has.

    Raises:
        ConfigError: there is no round.
    """
    if not found:
        raise ConfigError("found is empty; expected the reconstruction of at least one round.")
    exact = [each for each in found if each.status is Status.EXACT]
    inputs, times = found[0].inputs[:0].double(), torch.zeros(0, dtype=torch.int64)
    for each in exact:
        inputs, times = _joined(inputs, times, each.inputs.double())
    details = {
        "rounds": float(len(found)),
        "rounds_exact": float(len(exact)),
        "recurring": float((times == len(exact)).sum()),
    }
    status = Status.EXACT if len(exact) == len(found) else Status.PARTIAL
    return Reconstruction.estimate(inputs, sum(each.seconds for each in found), status, details)


def _joined(known: Tensor, times: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Known inputs with the new ones behind them, and in how many rounds each was found."""
    lengths = inputs.norm(dim=1, keepdim=True).clamp(min=torch.finfo(inputs.dtype).tiny)
    distances = torch.cdist(inputs, known) / lengths
    again = (distances <= SAME).any(dim=1)
    times = times + (distances <= SAME).any(dim=0).long().cpu()
    fresh = torch.ones(int((~again).sum()), dtype=torch.int64)
    return torch.cat([known, inputs[~again]]), torch.cat([times, fresh])
