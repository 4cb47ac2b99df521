"""Gated blocks of a model, found by the names that `transformers` gives their three layers.

So do Llama, Mistral, Qwen and Gemma. A trace would not see them: the product of two layers is no
layer pair.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from spear.activations.elementwise import Elementwise
from spear.activations.smooth import GELU, SiLU
from spear.errors import LayerError
from spear.inversion.gated.problem import GatedLayers
from spear.naming import unwrapped
from spear.reading import Shared, read

NAMES = ("gate_proj", "up_proj", "down_proj")
"""Layers of a gated block."""

KNOWN: tuple[Elementwise, ...] = (SiLU(), GELU(), GELU("tanh"))
"""Activations that gates have: of SwiGLU, and of GEGLU in both forms."""


def gated_layers(model: nn.Module, gradients: Shared, block: int = 0) -> GatedLayers:
    """Return what a server holds of a gated block.

    Args:
        model: with the parameters for which the gradients were computed.
        gradients: see `spear.invert_block`.
        block: number of the gated block, counted from 0.

    Raises:
        LayerError: there is no such block, it has biases or an unknown activation, or it is frozen.
        InvalidObservation: the gradients do not fit the model.
    """
    model = unwrapped(model)
    name, found = _block_at(model, block)
    layers: dict[str, Any] = {part: getattr(found, part) for part in NAMES}
    if any(each.bias is not None for each in layers.values()):
        raise LayerError(
            f"{name or 'the block'} has biases; expected a gated block without: attack another one."
        )
    shared = read(model, gradients, form="gradients").gradients
    gate, up, down = (layers[part].weight.detach() for part in NAMES)
    of_gate, of_up, of_down = (
        _trained(shared, f"{name}.{part}.weight".lstrip(".")) for part in NAMES
    )
    activation = _activation(name, found)
    return GatedLayers(gate, up, down, of_gate, of_up, of_down, activation)


def _block_at(model: nn.Module, block: int) -> tuple[str, nn.Module]:
    named = model.named_modules()
    found = [(k, v) for k, v in named if all(hasattr(v, part) for part in NAMES)]
    if isinstance(block, bool) or not isinstance(block, int) or not 0 <= block < len(found):
        raise LayerError(
            f"block is {block!r}, but the model has {len(found)} gated blocks, with layers named "
            f"{', '.join(NAMES)}; expected a number from 0 on and below that: choose another "
            "block or model."
        )
    return found[block]


def _activation(name: str, found: nn.Module) -> Elementwise:
    """The known activation that the block computes."""
    computed: Any = getattr(found, "act_fn", None)
    z = torch.linspace(-3, 3, 25, dtype=torch.float64)
    for each in KNOWN:
        if callable(computed) and torch.allclose(computed(z), each.value(z), rtol=1e-9, atol=1e-9):
            return each
    raise LayerError(
        f"the activation of {name or 'the block'} is not known; expected SiLU or GELU as its "
        "act_fn: attack another block."
    )


def _trained(shared: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in shared:
        raise LayerError(
            f"{name} has no gradient, as it is frozen or not shared; expected those of all three "
            "layers of the block: attack a block that is trained."
        )
    return shared[name]
