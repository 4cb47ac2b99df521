"""Reading of saved weights that does not trust the file."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from spear.errors import CheckpointError
from spear.naming import renamed


def load_checkpoint(network: nn.Module, path: str | Path) -> None:
    """Copy a saved state dict into a network in place, without unpickling arbitrary objects.

    Args:
        network: of the same architecture.
        path: of a safetensors file, or of a file for `torch.load(weights_only=True)`. It may leave
            out weights that are tied to others, as those of `transformers` do.

    Raises:
        CheckpointError: the file is missing, unreadable, or does not fit the network.
    """
    state = read_state_dict(Path(path))
    try:
        names = renamed(state, network.state_dict())
        own = {names[name]: each for name, each in state.items()}
        network.load_state_dict(own | _tied(network, own))
    except (RuntimeError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"checkpoint {path} does not fit the network: {' '.join(str(error).split())}."
        ) from error


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the state dict saved in a safetensors file or in a file of `torch.save`, on the CPU.

    Raises:
        CheckpointError: the file is missing, unreadable, or holds more than tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist; give the path of a state dict.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"checkpoint {path} holds more than tensors and was refused: {_first_line(error)}; "
            "save the state dict alone, best as safetensors."
        ) from error
    except Exception as error:  # a damaged file ends in errors of any kind
        raise CheckpointError(f"checkpoint {path} cannot be read: {_first_line(error)}.") from error
    return loaded


def _tied(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Entries that a file leaves out because they share the memory of others that it has.

    So `transformers` saves the output layer of GPT-2, which is tied to the word embeddings.
    """
    own = {name: each for name, each in network.state_dict().items() if each.numel()}
    there = {(own[k].data_ptr(), own[k].shape): each for k, each in state.items() if k in own}
    places = {name: (each.data_ptr(), each.shape) for name, each in own.items()}
    return {name: there[at] for name, at in places.items() if name not in state and at in there}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
