"""Networks that clients train, and the linear layers in them that the attack applies to."""

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import prod
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from spear.errors import CheckpointError, ConfigError, LayerError


class Sparsity(StrEnum):
    """Which factor of dL/dW = dL/dZ X^T a ReLU makes sparse (Sec. 3.2)."""

    GRADIENT = "gradient"
    """dL/dZ: a ReLU follows the layer."""
    INPUT = "input"
    """X: a ReLU precedes the layer."""


KEEP_ZEROS = (nn.Flatten, nn.Identity, nn.Dropout, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
"""Modules after a ReLU whose outputs are still zeros and positive numbers."""

LAST = -1
"""Number of the last linear layer, where others are counted from 1."""


@dataclass(frozen=True)
class LinearLayer:
    """A linear layer and where it stands.

    Attributes:
        name: dotted module name, as in `state_dict` keys.
        module: the layer itself.
        followed_by_relu: whether its output goes straight into a ReLU, which makes dL/dZ sparse
            (Sec. 3.2).
        preceded_by_relu: whether its input comes out of a ReLU, unchanged or through a module that
            keeps zeros (`KEEP_ZEROS`), which makes X sparse.
    """

    name: str
    module: nn.Linear
    followed_by_relu: bool
    preceded_by_relu: bool

    @property
    def sparsity(self) -> frozenset[Sparsity]:
        """Which of its factors are sparse."""
        found = {
            Sparsity.GRADIENT: self.followed_by_relu,
            Sparsity.INPUT: self.preceded_by_relu,
        }
        return frozenset(each for each, sparse in found.items() if sparse)


ACTIVATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}


def fcnn(
    input_shape: Sequence[int],
    n_classes: int,
    width: int = 200,
    depth: int = 6,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    activation: str = "relu",
    bias: bool = True,
) -> nn.Sequential:
    """A fully connected ReLU network with `depth` linear layers (Sec. 6: L = 6, m = 200).

    Parameters keep PyTorch's default initialisation, drawn from `seed` alone, or come from
    `checkpoint`. The global random state is left as it was.

    Args:
        input_shape: shape of one example; it is flattened first.
        n_classes: outputs of the last layer, which no activation follows.
        width: neurons of every hidden layer (m).
        depth: number of linear layers (L), at least 2 so that one is followed by a ReLU.
        seed: of the initialisation.
        checkpoint: a state dict, as safetensors or as a file for `torch.load(weights_only=True)`.
        activation: follows each hidden layer: "relu" or "sigmoid".
        bias: whether the linear layers have biases; SPEAR needs them.

    Raises:
        ConfigError: width < 1, depth < 2, or another activation.
        CheckpointError: the checkpoint is missing, unreadable, or of another architecture.
    """
    if width < 1:
        raise ConfigError(f"network.width is {width}; expected at least 1 neuron.")
    if depth < 2:
        raise ConfigError(f"network.depth is {depth}; expected at least 2 linear layers.")
    sizes = [prod(input_shape), *[width] * (depth - 1)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = [nn.Flatten()]
        for n, m in pairwise(sizes):
            layers += [nn.Linear(n, m, bias), activated_by(activation)]
        layers.append(nn.Linear(sizes[-1], n_classes, bias))
    network = nn.Sequential(*layers)
    if checkpoint is not None:
        load_checkpoint(network, checkpoint)
    return network


def activated_by(name: str) -> nn.Module:
    """A new activation.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in ACTIVATIONS:
        raise ConfigError(
            f"network.activation is {name!r}; expected one of {', '.join(ACTIVATIONS)}."
        )
    return ACTIVATIONS[name]()


def load_checkpoint(network: nn.Module, path: str | Path) -> None:
    """Copy a saved state dict into `network`, never unpickling arbitrary objects.

    Raises:
        CheckpointError: the file is missing, unreadable, or does not fit the network.
    """
    state = read_state_dict(Path(path))
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"checkpoint {path} does not fit the network: {' '.join(str(error).split())}."
        ) from error


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """A saved state dict on the CPU, as safetensors or as a file for `torch.load`.

    Raises:
        CheckpointError: the file is missing, unreadable, or holds more than tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist; give the path of a state dict.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {_first_line(error)}.") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"checkpoint {path} holds more than tensors and was refused: {_first_line(error)}; "
            "save the state dict alone, best as safetensors."
        ) from error
    return loaded


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def linear_layers(network: nn.Module) -> list[LinearLayer]:
    """The linear layers of a network whose modules run in the order of registration."""
    modules = network.named_modules(remove_duplicate=False)  # a ReLU may serve several layers
    leaves = [named for named in modules if not any(named[1].children())]
    following = [*[module for _, module in leaves[1:]], None]
    found, nonnegative = [], False
    for (name, module), after in zip(leaves, following, strict=True):
        if isinstance(module, nn.Linear):
            found.append(LinearLayer(name, module, isinstance(after, nn.ReLU), nonnegative))
        if not isinstance(module, KEEP_ZEROS):
            nonnegative = isinstance(module, nn.ReLU)
    return found


def linear_layer(network: nn.Module, index: int) -> LinearLayer:
    """Linear layer number `index`, counted from 1 as in Table 4; `LAST` is the last one.

    Raises:
        LayerError: there is no such layer.
    """
    layers = linear_layers(network)
    if index == LAST and layers:
        return layers[-1]
    if not 1 <= index <= len(layers):
        raise LayerError(
            f"attack.layer is {index}; the network has linear layers 1 to {len(layers)}."
        )
    return layers[index - 1]


def layer_inputs(network: nn.Module, layer: nn.Linear, inputs: Tensor) -> Tensor:
    """What `layer` receives (b x n), differentiable in the network's inputs (b x ...)."""
    seen: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        network(inputs)
    finally:
        hook.remove()
    return seen[-1]


@contextmanager
def putting_out(layer: nn.Linear, outputs: Tensor) -> Iterator[None]:
    """While it lasts, `layer` puts out `outputs` (b x m), whatever it receives.

    The rest of the network then runs on these. It may work in place: it has a copy.
    """
    hook = layer.register_forward_hook(lambda *_: outputs.clone())
    try:
        yield
    finally:
        hook.remove()


def attackable_layer(
    network: nn.Module, index: int, sparsity: Sparsity | None = Sparsity.GRADIENT
) -> LinearLayer:
    """Linear layer number `index`, for an attack that needs `sparsity` (Sec. 3.2), or None.

    Raises:
        LayerError: there is no such layer, it has no bias, or no ReLU stands where the attack needs
            it; the message names the layers it can attack and the attack for this one.
    """
    layer = linear_layer(network, index)
    if layer.module.bias is None:
        raise LayerError(
            f"layer {index} ({layer.name}) has no bias; the attack finds the scale of each input "
            "from the bias gradient (Theorem 3.5)."
        )
    if sparsity is None or sparsity in layer.sparsity:
        return layer
    fit = [i for i, each in enumerate(linear_layers(network), start=1) if sparsity in each.sparsity]
    if not layer.sparsity:
        advice = f"choose one of {fit}" if fit else "attack the network with attack=geiping"
        raise LayerError(
            f"attack.layer is {index}, but no ReLU follows that layer and none precedes it, so "
            f"that neither its gradient nor its inputs are sparse (Sec. 3.2); {advice}."
        )
    missing, other = _MISSING[sparsity]
    raise LayerError(
        f"attack.layer is {index}, but {missing} sparse (Sec. 3.2); choose one of {fit}, or attack "
        f"this layer with {other}."
    )


_MISSING = {
    Sparsity.GRADIENT: (
        "no ReLU follows that layer, so its gradient is not",
        "attack=spear_input, for which a ReLU precedes it",
    ),
    Sparsity.INPUT: (
        "no ReLU precedes that layer, so its inputs are not",
        "attack=spear_irls, for which a ReLU follows it",
    ),
}
