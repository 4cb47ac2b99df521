"""What may become of an update between client and server, by name."""

from collections.abc import Callable

import torch
from torch import Tensor

Update = dict[str, Tensor]


def of_each(change: Callable[[Tensor], Tensor]) -> Callable[[Update], Update]:
    """The same change of every tensor by itself."""
    return lambda update: {name: change(each) for name, each in update.items()}


def of_parts(part: str, change: Callable[[Tensor], Tensor]) -> Callable[[Update], Update]:
    """A change of every weight, or of every bias, alone."""
    return lambda update: {
        name: change(each) if name.endswith(part) else each for name, each in update.items()
    }


def rows_permuted(update: Update) -> Update:
    """The neurons of every layer in another order, the same for weight and bias."""
    order = {}
    for name, each in update.items():
        order.setdefault(name.rpartition(".")[0], torch.randperm(len(each)))
    return {name: each[order[name.rpartition(".")[0]]] for name, each in update.items()}


def rows_dropped(update: Update) -> Update:
    """Some neurons of every layer without an update."""
    kept = {}
    for name, each in update.items():
        kept.setdefault(name.rpartition(".")[0], torch.rand(len(each)) > 0.1)
    return {
        name: each * kept[name.rpartition(".")[0]].view(-1, *[1] * (each.ndim - 1))
        for name, each in update.items()
    }


def shuffled(value: Tensor) -> Tensor:
    return value.flatten()[torch.randperm(value.numel())].view_as(value)


def columns_permuted(value: Tensor) -> Tensor:
    return value[:, torch.randperm(value.shape[1])]


def columns_scaled(value: Tensor) -> Tensor:
    return value * (0.99 + 0.02 * torch.rand(value.shape[1:]))


def quantised(value: Tensor) -> Tensor:
    """To the 255 steps of int8."""
    step = value.abs().max().clamp(min=1e-30) / 127
    return (value / step).round() * step


def largest(share: float) -> Callable[[Tensor], Tensor]:
    """Top-k sparsification."""

    def change(value: Tensor) -> Tensor:
        k = max(1, int(share * value.numel()))
        least = value.abs().flatten().topk(k).values[-1]
        return torch.where(value.abs() >= least, value, 0)

    return change


def noisy(share: float) -> Callable[[Tensor], Tensor]:
    return lambda value: value + share * value.square().mean().sqrt() * torch.randn_like(value)


def one_entry(entry: float) -> Callable[[Tensor], Tensor]:
    def change(value: Tensor) -> Tensor:
        changed = value.clone()
        changed.view(-1)[0] = entry
        return changed

    return change


ALTERATIONS: dict[str, Callable[[Update], Update]] = {
    "none": of_each(lambda value: value),
    "scaled": of_each(lambda value: 3.7 * value),
    "negated": of_each(lambda value: -value),
    "weights scaled a little": of_parts("weight", lambda value: 1.001 * value),
    "weights doubled": of_parts("weight", lambda value: 2 * value),
    "biases halved": of_parts("bias", lambda value: value / 2),
    "biases permuted": of_parts("bias", shuffled),
    "biases in float16": of_parts("bias", lambda value: value.half().float()),
    "rows permuted": rows_permuted,
    "rows of weights permuted": of_parts("weight", lambda value: value[torch.randperm(len(value))]),
    "columns permuted": of_parts("weight", columns_permuted),
    "columns scaled": of_parts("weight", columns_scaled),
    "shuffled": of_each(shuffled),
    "rows dropped": rows_dropped,
    "float16": of_each(Tensor.half),
    "bfloat16": of_each(lambda value: value.bfloat16().float()),
    "int8": of_each(quantised),
    "signs": of_each(Tensor.sign),
    "half of the entries": of_each(largest(0.5)),
    "a hundredth of the entries": of_each(largest(0.01)),
    "noise of 1e-6": of_each(noisy(1e-6)),
    "noise of 1e-3": of_each(noisy(1e-3)),
    "noise of 1": of_each(noisy(1.0)),
    "an offset": of_each(lambda value: value + 1e-3 * value.abs().max()),
    "one NaN": of_each(one_entry(float("nan"))),
    "one infinity": of_parts("weight", one_entry(float("inf"))),
    "one outlier": of_each(one_entry(1e6)),
    "zeros": of_each(torch.zeros_like),
    "biases of zeros": of_parts("bias", torch.zeros_like),
}
