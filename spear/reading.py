"""Reading of an update, in any form in which clients share one, as gradients by parameter.

What an update is follows from its names, its shapes, and how close it is to the network's weights:
weights after training point along those before it, and gradients do not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from spear.errors import ConfigError, InvalidObservation
from spear.naming import renamed
from spear.settings import check_above_zero
from spear.validation import check_names, check_presence, check_shape

Shared = Mapping[str, Any] | Sequence[Any]
"""Gradients or weights by name; a list of gradients in the order of `parameters()`, or of weights
in that of `state_dict()`."""

Form = Literal["gradients", "weights"]
"""What an update is."""

ALONG = 0.9
"""Least cosine of weights after training with those before it."""

ACROSS = 0.5
"""Largest cosine of gradients with the weights. In between, an update may be either."""

ALIKE = (0.7, 1.4)
"""Ratios of the lengths of all parameters by which an update may be weights of another network."""

FEWEST = 4
"""Least number of parameters that have to be alike for this."""

CHECKPOINTS = ("state_dict", "model_state_dict", "gradients", "grads", "weights", "model")
"""Keys under which programs save an update beside other things."""


@dataclass(frozen=True)
class Reading:
    """An update as gradients, and what it was taken for.

    Attributes:
        gradients: name of each parameter -> tensor on the CPU, in units of a gradient.
        said: what it was taken for, in words.
    """

    gradients: dict[str, Tensor]
    said: str


def as_gradients(
    network: nn.Module,
    update: Shared,
    learning_rate: float | None = None,
    form: Form | None = None,
) -> dict[str, Tensor]:
    """Return the update of each parameter in units of a gradient; see `read`."""
    return read(network, update, learning_rate, form).gradients


def read(
    network: nn.Module,
    update: Shared,
    learning_rate: float | None = None,
    form: Form | None = None,
) -> Reading:
    """Recognise an update and return it in units of a gradient.

    Args:
        network: with the weights from which the client started.
        update: by name, as in `named_parameters()`, also with the prefixes of wrappers; or a list.
            Gradients, a difference of weights, or the weights after training.
        learning_rate: eta, if the update consists of weights, so that it is (W_0 - W_E) / eta. It
            only scales the update, which changes no reconstruction, and is 1 unless given.
        form: what the update is; found out unless given.

    Raises:
        ConfigError: the form is neither, or the learning rate is not above 0.
        InvalidObservation: a name, a shape or the number of arrays is not the network's, or the
            update may be either; the message says which.
    """
    if form not in (None, "gradients", "weights"):
        raise ConfigError(f"form is {form!r}; expected 'gradients' or 'weights'.")
    if learning_rate is not None:
        check_above_zero(learning_rate=learning_rate)
    state = network.state_dict()
    parameters = {name: each.detach() for name, each in network.named_parameters()}
    if not isinstance(update, Iterable):
        raise InvalidObservation(
            f"the update is {update!r}; expected gradients or weights, by name or as a list."
        )
    if not isinstance(update, Mapping):
        update = _named(network, state, list(update))
    update = _inside(update)
    check_presence(update)
    names = renamed(update, state)
    check_names([each for name, each in names.items() if each not in state], list(parameters))
    tensors = {}
    for given, value in update.items():
        name = names[given]
        if name not in parameters or value is None:  # running statistics, frozen parameters
            continue
        tensors[name] = _tensor(name, value)
        shape = parameters[name].shape
        check_shape(f"the update of {name!r}", tensors[name], shape, "the parameter's")
    check_presence(tensors)
    weights = _are_weights(parameters, tensors, learning_rate, form)
    if not weights:
        return Reading(tensors, "gradients (or a difference of weights)")
    rate = learning_rate or 1.0
    found = {k: _difference(parameters[k], each, rate) for k, each in tensors.items()}
    scale = "" if learning_rate else "; without a learning_rate its scale is unknown"
    same = not any(each.any() for each in found.values())
    where = ", which are the model's own: nothing was learnt" if same else ""
    return Reading(found, f"weights after training{where}{scale}")


def labels_as_tensor(labels: Any) -> Any:
    """Return labels as a tensor, class indices of 64 bits; anything that is none as it is.

    Raises:
        InvalidObservation: a list or an array that makes no tensor.
    """
    if isinstance(labels, list | tuple | np.ndarray):
        try:
            labels = torch.as_tensor(np.asarray(labels))
        except (TypeError, ValueError) as error:
            raise InvalidObservation(
                f"labels are {labels!r:.60}; expected b class indices, or a row for each input."
            ) from error
    whole = isinstance(labels, Tensor) and not (labels.is_floating_point() or labels.is_complex())
    return labels.long() if whole and labels.dtype is not torch.bool else labels


def _are_weights(
    parameters: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    learning_rate: float | None,
    form: Form | None,
) -> bool:
    if form is not None:
        return form == "weights"
    cosine, alike = _closeness(parameters, tensors)
    if learning_rate is not None:
        if cosine <= ACROSS:
            raise InvalidObservation(
                f"learning_rate is {learning_rate}, which goes with weights after training, but "
                f"the update is far from the model's weights (cosine {cosine:.2g}); leave "
                "learning_rate out for gradients, give the model the weights from which the client "
                "started (--weights), or set form to 'weights'."
            )
        return True
    if cosine >= ALONG:
        return True
    if cosine > ACROSS or alike:
        raise InvalidObservation(
            f"the update may be weights after training or gradients (its cosine with the model's "
            f"weights is {cosine:.2g}, its parameters {'are' if alike else 'are not'} as long as "
            "theirs); give the model the weights from which the client started (--weights), "
            "and set form (--form) to 'weights' or 'gradients'."
        )
    return False


def _closeness(
    parameters: Mapping[str, Tensor], tensors: Mapping[str, Tensor]
) -> tuple[float, bool]:
    """Return the cosine with the weights, and whether every parameter is as long as there.

    The cosine is NaN if an entry is not finite.
    """
    product, ours, theirs, ratios = 0.0, 0.0, 0.0, []
    for name, each in tensors.items():
        before, after = parameters[name].double().cpu().flatten(), each.double().flatten()
        product += float(before @ after)
        squares = float(before @ before), float(after @ after)
        ours, theirs = ours + squares[0], theirs + squares[1]
        if squares[0] > 0:
            ratios.append((squares[1] / squares[0]) ** 0.5)
    alike = len(ratios) >= FEWEST and all(ALIKE[0] < each < ALIKE[1] for each in ratios)
    return product / max((ours * theirs) ** 0.5, 1e-300), alike


def _inside(update: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a checkpoint that holds tensors by name; the update itself if it does."""
    for key in CHECKPOINTS:
        if isinstance(update.get(key), Mapping):
            return _inside(update[key])
    return update


def _difference(before: Tensor, after: Tensor, learning_rate: float) -> Tensor:
    return ((before.double().cpu() - after.double()) / learning_rate).to(before.dtype)


def _named(network: nn.Module, state: Mapping[str, Tensor], arrays: list[Any]) -> dict[str, Any]:
    """Name a list by its length and shapes: all parameters, the whole state, or the trained."""
    parameters = dict(network.named_parameters())
    trained = [name for name, each in parameters.items() if each.requires_grad]
    for names in (list(parameters), list(state), trained):
        if len(arrays) == len(names) and _fit(arrays, [state[name] for name in names]):
            return dict(zip(names, arrays, strict=True))
    if len(arrays) in (len(parameters), len(state)):  # the shape that is wrong is named later
        names = list(parameters) if len(arrays) == len(parameters) else list(state)
        return dict(zip(names, arrays, strict=True))
    raise InvalidObservation(
        f"the update is a list of {len(arrays)} arrays; expected {len(state)}, one for each "
        f"entry of the network's state_dict() ({_some(list(state))}), or {len(parameters)}, one "
        "for each of its parameters()."
    )


def _fit(arrays: list[Any], like: list[Tensor]) -> bool:
    pairs = zip(arrays, like, strict=True)
    return all(each is None or getattr(each, "shape", None) == model.shape for each, model in pairs)


def _tensor(name: str, value: Any) -> Tensor:
    try:
        found = dense(torch.as_tensor(value))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidObservation(
            f"the update of {name!r} is a {type(value).__name__}; expected a tensor or an array."
        ) from error
    if found.is_complex():
        raise InvalidObservation(
            f"the update of {name!r} has dtype {found.dtype}; expected real numbers."
        )
    return found


def dense(tensor: Tensor) -> Tensor:
    """Return a tensor on the CPU, without its history, and without a sparse layout."""
    found = tensor.detach().cpu()
    return found if found.layout == torch.strided else found.to_dense()


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown}, ..." if len(names) > 4 else shown
