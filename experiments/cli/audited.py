"""Model, weights, update and loss that `spear audit` is given."""

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spear.errors import CheckpointError, ConfigError, InvalidObservation
from spear.naming import renamed
from spear.networks import load_checkpoint, read_state_dict


def loss(name: str) -> nn.Module:
    """Return the client's loss, one of `spear.experiments.cli.audit.LOSSES`."""
    return nn.CrossEntropyLoss() if name == "cross_entropy" else nn.BCEWithLogitsLoss()


def load_model(name: str) -> nn.Module:
    """Return the model that `package.module:factory` makes, also from the working directory.

    Raises:
        ConfigError: there is no such factory, or it makes something other than a module.
    """
    module_name, colon, factory_name = name.partition(":")
    if not colon:
        raise ConfigError(f"the model is {name!r}; expected package.module:factory.")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"--model {name} cannot be imported ({error}).") from error
    try:
        model = factory()
    except TypeError as error:
        raise ConfigError(
            f"--model {name} cannot be called without arguments ({error})."
        ) from error
    if not isinstance(model, nn.Module):
        raise ConfigError(
            f"--model {name} makes a {type(model).__name__}; expected a torch.nn.Module."
        )
    return model


def load_update(path: Path) -> Any:
    """Return tensors by name, or a list of arrays from an .npz file without names.

    Raises:
        CheckpointError: the file is missing, unreadable, or holds more than tensors.
        InvalidObservation: the file holds something other than tensors by name.
    """
    if path.suffix != ".npz":
        state: Any = read_state_dict(path)
        if isinstance(state, Tensor) or not isinstance(state, dict | list | tuple):
            raise InvalidObservation(
                f"{path} holds a {type(state).__name__}; expected tensors by parameter name."
            )
        return state
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; give the path of an .npz file.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            loaded = {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays.files}
    except Exception as error:  # a damaged archive ends in errors of any kind
        said = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(f"{path} cannot be read as arrays ({said}).") from error
    numbered = [f"arr_{i}" for i in range(len(loaded))]
    return [loaded[name] for name in numbered] if set(loaded) == set(numbered) else loaded


def load_weights(model: nn.Module, path: Path) -> None:
    """Load the weights from which the client started into a model.

    Raises:
        CheckpointError: the file is missing, unreadable, or does not fit the model.
    """
    if path.suffix != ".npz":
        load_checkpoint(model, path)
        return
    arrays = load_update(path)
    if not isinstance(arrays, dict):
        arrays = dict(zip(model.state_dict(), arrays, strict=False))
    names = renamed(arrays, model.state_dict())
    try:
        model.load_state_dict({names[name]: each for name, each in arrays.items()})
    except RuntimeError as error:
        raise CheckpointError(
            f"weights {path} do not fit the model: {' '.join(str(error).split())}."
        ) from error
