"""Attention of the first block: its order of queries, keys and values, and its heads."""

from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn

from spear.errors import VictimError
from spear.probing import Call
from spear.vision.calls import BlockCalls

Order = tuple[int, int, int]

ORDERS: tuple[Order, ...] = tuple(permutations(range(3), 3))
"""Places of queries, keys and values."""

EQUAL = 1e-6
"""Relative difference up to which the model computes what a formula says."""


def attention_form(run: BlockCalls) -> tuple[Order, int]:
    """Return order of queries, keys and values, and heads, with which the formula holds.

    Raises:
        VictimError: it holds with none, as with relative positions, windows or norms of queries.
    """
    projected = _projected(run)
    d = projected[0].shape[-1]
    weight, bias = _output_parameters(run.output)
    best: tuple[float, Order, int] = torch.inf, (0, 1, 2), 0
    for heads in (each for each in range(1, d + 1) if d % each == 0):
        split = [each.reshape(*each.shape[:2], heads, -1).transpose(1, 2) for each in projected]
        for order in ORDERS:
            q, k, v = (split[each] for each in order)
            o = nn.functional.scaled_dot_product_attention(q, k, v)
            found = o.transpose(1, 2).flatten(2) @ weight.T + bias
            error = float((found - run.attended).norm() / run.attended.norm())
            if error < best[0]:
                best = error, order, heads
        if best[0] < EQUAL:
            return best[1], best[2]
    raise VictimError(
        f"{run.output.name} does not give a softmax attention over all tokens by scaled products; "
        "expected it, without relative positions, windows or norms of queries (as Swin and BEiT "
        "have them): attack another model."
    )


def _projected(run: BlockCalls) -> list[Tensor]:
    """What the attention makes of its inputs: three parts (each b x T x d), in any order."""
    module: Any = run.inputs[0].module
    h = run.norms[0].output
    if isinstance(module, nn.MultiheadAttention):
        extra = module.bias_k is not None or module.add_zero_attn
        if extra or module.in_proj_weight is None:
            raise VictimError(
                f"the attention of the model's first block is {module} with its projections apart "
                "or with tokens of its own; expected one projection."
            )
        found = nn.functional.linear(h, module.in_proj_weight, module.in_proj_bias)
    else:
        layers: list[Any] = [each.module for each in run.inputs]
        found = torch.cat([nn.functional.linear(h, k.weight, k.bias) for k in layers], dim=-1)
    if found.shape[-1] != 3 * h.shape[-1]:
        raise VictimError(
            f"the layers behind {run.norms[0].name} give {found.shape[-1]} numbers a token; "
            f"expected queries, keys and values of {h.shape[-1]} each: attack another model."
        )
    return list(found.chunk(3, dim=-1))


def _output_parameters(call: Call) -> tuple[Tensor, Tensor]:
    """W_o and b_o."""
    module: Any = call.module
    module = module.out_proj if isinstance(module, nn.MultiheadAttention) else module
    weight = module.weight
    return weight, weight.new_zeros(len(weight)) if module.bias is None else module.bias
