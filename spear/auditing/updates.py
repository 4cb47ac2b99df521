"""Conversion of an update, in any form in which clients share one, to gradients by parameter."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from spear.errors import InvalidObservation
from spear.validation import check_names, check_presence, check_shape

Shared = Mapping[str, Any] | Sequence[Any]
"""Gradients or weights by name, or a list of arrays in the order of `state_dict()`."""


def as_gradients(
    network: nn.Module, update: Shared, learning_rate: float | None = None
) -> dict[str, Tensor]:
    """Return the update of each parameter in units of a gradient: name -> tensor on the CPU.

    Args:
        network: with the weights from which the client started.
        update: by name, as in `named_parameters()`: gradients, or with `learning_rate` the weights
            after the client's training. Or a list of arrays in the order of `state_dict()`, as
            Flower sends parameters, which always are weights after training.
        learning_rate: eta, so that the update is (W_0 - W_E) / eta; 1 for a list unless given. It
            only scales the update, which changes no reconstruction.

    Raises:
        InvalidObservation: a name, a shape or the number of arrays is not the network's.
    """
    state = network.state_dict()
    weights = learning_rate is not None
    if not isinstance(update, Mapping):
        update, weights = _named(state, list(update)), True
    parameters = {name: each.detach() for name, each in network.named_parameters()}
    check_presence(update)
    check_names([name for name in update if name not in state], list(parameters))
    found = {}
    for name, value in update.items():
        if name not in parameters:  # running statistics
            continue
        tensor, before = _tensor(name, value), parameters[name]
        check_shape(f"the update of {name!r}", tensor, before.shape, "the parameter's")
        found[name] = _difference(before, tensor, learning_rate or 1.0) if weights else tensor
    return found


def _difference(before: Tensor, after: Tensor, learning_rate: float) -> Tensor:
    return ((before.double().cpu() - after.double()) / learning_rate).to(before.dtype)


def _named(state: Mapping[str, Tensor], arrays: list[Any]) -> dict[str, Any]:
    if len(arrays) != len(state):
        raise InvalidObservation(
            f"the update is a list of {len(arrays)} arrays; expected {len(state)}, one for each "
            f"entry of the network's state_dict() ({_some(list(state))})."
        )
    return dict(zip(state, arrays, strict=True))


def _tensor(name: str, value: Any) -> Tensor:
    try:
        return torch.as_tensor(value).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidObservation(
            f"the update of {name!r} is a {type(value).__name__}; expected a tensor or an array."
        ) from error


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown}, ..." if len(names) > 4 else shown
