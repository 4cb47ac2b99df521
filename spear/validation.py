"""Checks of a shared gradient: known name, tensor, shape, finite entries."""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from spear.errors import InvalidObservation

SHOWN = 12
"""Names listed in a message."""


def check_names(names: Collection[str], known: Sequence[str]) -> None:
    """Refuse an update with a name that the network lacks.

    Raises:
        InvalidObservation: naming the first.
    """
    for name in names:
        if name not in known:
            shown = ", ".join(known[:SHOWN]) + (", ..." if len(known) > SHOWN else "")
            raise InvalidObservation(
                f"the update has a gradient of {name!r}, which is no parameter of the network; "
                f"expected names among {shown}."
            )


def check_presence(names: Collection[str]) -> None:
    """Refuse an update of nothing.

    Raises:
        InvalidObservation: there are no names.
    """
    if not names:
        raise InvalidObservation(
            "the update holds no gradients; pass one for each parameter that the client trains."
        )


def check_shape(subject: str, value: Any, shape: Sequence[int], reason: str) -> None:
    """Refuse what is not a tensor of a shape.

    Args:
        subject: what it is, to begin the message.
        value: to check.
        shape: expected.
        reason: why this shape, to end the message.

    Raises:
        InvalidObservation: saying what it is instead.
    """
    if not isinstance(value, Tensor):
        raise InvalidObservation(
            f"{subject} is a {type(value).__name__}; expected a tensor of shape {tuple(shape)}, "
            f"{reason}."
        )
    if value.shape != torch.Size(shape):
        raise InvalidObservation(
            f"{subject} has shape {tuple(value.shape)}; expected {tuple(shape)}, {reason}."
        )


def check_finite(subject: str, value: Tensor) -> None:
    """Refuse a tensor with an entry that is NaN or infinite.

    Raises:
        InvalidObservation: with the number of these entries.
    """
    if not all_finite(value):
        bad = int((~torch.isfinite(value)).sum())
        raise InvalidObservation(
            f"{subject} has {bad} NaN or infinite of {value.numel()} entries; check the client's "
            "loss and precision before attacking its update."
        )


def all_finite(value: Tensor) -> bool:
    """Whether no entry is NaN or infinite. In one pass and without a copy: by the extremes."""
    return bool(torch.stack(torch.aminmax(value)).isfinite().all())
