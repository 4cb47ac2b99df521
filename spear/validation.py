"""Checks of a shared gradient: its name, type, shape and entries."""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from spear.errors import InvalidObservation

SHOWN = 12
"""Number of names that a message lists at most."""


def check_names(names: Collection[str], known: Sequence[str]) -> None:
    """Refuse an update with a name that the network lacks.

    Raises:
        InvalidObservation: a name is not among `known`; the message names the first.
    """
    for name in names:
        if name not in known:
            shown = ", ".join(known[:SHOWN]) + (", ..." if len(known) > SHOWN else "")
            raise InvalidObservation(
                f"the update has a gradient of {name!r}, which is no parameter of the network; "
                f"expected one of {shown}."
            )


def check_presence(names: Collection[str]) -> None:
    """Refuse an update without any gradient.

    Raises:
        InvalidObservation: there are no names.
    """
    if not names:
        raise InvalidObservation(
            "the update holds no gradients; pass one for each parameter that the client trains."
        )


def check_tensor(subject: str, value: Any) -> None:
    """Refuse a value that is not a dense tensor of floating-point numbers.

    Args:
        subject: name of the value, with which the message begins.
        value: the value to check.

    Raises:
        InvalidObservation: it is something else; the message says what.
    """
    if not isinstance(value, Tensor):
        raise InvalidObservation(f"{subject} is a {type(value).__name__}; expected a torch.Tensor.")
    if not value.is_floating_point():
        raise InvalidObservation(
            f"{subject} has dtype {value.dtype}; expected a floating-point tensor."
        )
    if value.is_meta or value.layout != torch.strided:
        found = "is on the meta device, without data" if value.is_meta else "is sparse"
        raise InvalidObservation(f"{subject} {found}; expected a dense tensor.")


def check_shape(subject: str, value: Any, shape: Sequence[int], reason: str) -> None:
    """Refuse a value that is not a tensor of the expected shape.

    Args:
        subject: name of the value, with which the message begins.
        value: the value to check.
        shape: the expected shape.
        reason: why this shape is expected, with which the message ends.

    Raises:
        InvalidObservation: the value has another type or shape; the message says which.
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

    Args:
        subject: name of the tensor, with which the message begins.
        value: the tensor to check.

    Raises:
        InvalidObservation: there are such entries; the message says how many.
    """
    if not all_finite(value):
        bad = int((~torch.isfinite(value)).sum())
        raise InvalidObservation(
            f"{subject} has {value.numel()} entries, of which {bad} are NaN or infinite; check the "
            "client's loss and precision before attacking its update."
        )


def all_finite(value: Tensor) -> bool:
    """Return whether no entry is NaN or infinite."""
    # By the extremes: one pass, and no copy.
    return bool(torch.stack(torch.aminmax(value)).isfinite().all())
