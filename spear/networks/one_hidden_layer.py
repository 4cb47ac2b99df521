"""Network of one wide hidden layer, as the peeling paper attacks it, in its clients' precision."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from spear.errors import ConfigError
from spear.settings import check_above_zero

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Cast(nn.Module):
    """Passes its inputs on in another precision.

    Args:
        dtype: of the outputs.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the inputs in the precision."""
        return inputs.to(self.dtype)


def one_hidden_layer(
    input_shape: Sequence[int],
    n_classes: int,
    width: int = 1000,
    deviation: float | None = 0.5,
    dtype: str = "float64",
    seed: int = 0,
) -> nn.Sequential:
    """Return linear, ReLU, linear, with the initialisation of Shariati and Meybodi.

    Their passive setting (arXiv 2609.09659 and its code): N = 1000 neurons, weights of the first
    layer normal with deviation 0.5, no biases to begin with (zeros, which are trained), Glorot's
    uniform weights behind them, and clients that compute in float64.

    Args:
        input_shape: shape of one example; it is flattened first.
        n_classes: outputs of the last layer.
        width: neurons of the hidden layer, N, at least 1.
        deviation: of the first layer's weights; None for PyTorch's default initialisation of both.
        dtype: precision of parameters, and of what is computed with them: float64 or float32.
        seed: of the initialisation.

    Raises:
        ConfigError: width < 1, the deviation is not above 0, or the precision is another.
    """
    if width < 1:
        raise ConfigError(f"width is {width}; expected at least 1 neuron.")
    if deviation is not None:
        check_above_zero(deviation=deviation)
    if dtype not in DTYPES:
        raise ConfigError(f"dtype is {dtype!r}; expected one of {', '.join(DTYPES)}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first = nn.Linear(prod(input_shape), width, dtype=DTYPES[dtype])
        last = nn.Linear(width, n_classes, dtype=DTYPES[dtype])
        if deviation is not None:
            nn.init.normal_(first.weight, std=deviation)
            nn.init.xavier_uniform_(last.weight)
            nn.init.zeros_(first.bias)
            nn.init.zeros_(last.bias)
    return nn.Sequential(Cast(DTYPES[dtype]), nn.Flatten(), first, nn.ReLU(), last)
