"""What may become of the update of a whole network before the server receives it, by kind.

An alteration takes a `Case`, whose client is honest, and returns what the server holds and which
batches are behind it.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from spear.client.client import Client
from spear.client.local_training import FedAvg
from spear.data import Batch
from spear.networks.activations import activated_by
from spear.update import Update

Gradients = dict[str, Tensor]


@dataclass(frozen=True)
class Case:
    """A client with a batch of its own, and another batch of the same size.

    Attributes:
        network: its layers are linear and activations in turn.
        batch, other: of the client.
        generator: source of the alteration's randomness.
    """

    network: nn.Sequential
    batch: Batch
    other: Batch
    generator: torch.Generator

    def share(self, batch: Batch | None = None) -> Update:
        """Return the honest update."""
        return Client(self.network).share(batch or self.batch, self.generator)

    @property
    def pair(self) -> list[str]:
        """Names of the parameters of the first two linear layers."""
        linear = [str(i) for i, each in enumerate(self.network) if isinstance(each, nn.Linear)]
        chosen = tuple(f"{each}." for each in linear[:2])
        return [name for name, _ in self.network.named_parameters() if name.startswith(chosen)]


@dataclass(frozen=True)
class Altered:
    """What the server holds, and the batches whose inputs it may call exact.

    Attributes:
        update: with the server's network.
        batches: of which it is the update, altered or not.
        network: the client's, if it is another one than the case's.
    """

    update: Update
    batches: tuple[Batch, ...]
    network: nn.Module | None = None


Alteration = Callable[[Case], Altered]


def each(change: Callable[[Tensor, torch.Generator], Tensor], *parts: str) -> Alteration:
    """Change every tensor by itself, or those whose names end so, among the first two layers.

    Args:
        change: of a gradient.
        parts: "0.weight" and "0.bias" are of the first layer, "1.weight" and "1.bias" of the
            second, "weight" and "bias" of all layers; none stands for all.
    """

    def altered(case: Case) -> Altered:
        update, own = case.share(), case.pair
        layers = list(dict.fromkeys(name.partition(".")[0] for name in own))
        names = {f"{layers[int(p[0])]}.{p[2:]}" if p[0].isdigit() else p for p in parts}
        chosen = [
            name
            for name in update.gradients
            if not names or name in names or name.rpartition(".")[2] in names
        ]
        changed = {name: change(update.gradients[name], case.generator) for name in chosen}
        return Altered(_with(update, changed), (case.batch,))

    return altered


def _with(update: Update, gradients: Gradients) -> Update:
    return replace(update, gradients=update.gradients | gradients)


def times(by: float) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Scale."""
    return lambda value, _: by * value


def noise(share: float) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Add normal noise, relative to the root mean square."""

    def change(value: Tensor, generator: torch.Generator) -> Tensor:
        size = share * value.square().mean().sqrt()
        return value + size * torch.randn(value.shape, generator=generator)

    return change


def int8(value: Tensor, _: torch.Generator) -> Tensor:
    """Round to 255 steps."""
    step = value.abs().max().clamp(min=1e-30) / 127
    return (value / step).round() * step


def top(share: float) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Keep the largest entries."""

    def change(value: Tensor, _: torch.Generator) -> Tensor:
        least = value.abs().flatten().topk(max(1, int(share * value.numel()))).values[-1]
        return torch.where(value.abs() >= least, value, 0.0)

    return change


def to_norm(share: float) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Clip each tensor to a norm of its own."""
    return lambda value, _: share * value / value.norm().clamp(min=1e-30) * len(value) ** 0.5


def entries_to(share: float) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Clip each entry, at a share of the largest."""
    return lambda value, _: value.clamp(-share * value.abs().max(), share * value.abs().max())


def one_entry(by: float) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Change the largest entry."""

    def change(value: Tensor, _: torch.Generator) -> Tensor:
        changed = value.clone()
        changed.view(-1)[value.abs().argmax()] *= 1 + by
        return changed

    return change


def permuted(dim: int) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Put rows or columns into another order."""

    def change(value: Tensor, generator: torch.Generator) -> Tensor:
        return value.index_select(dim, torch.randperm(value.shape[dim], generator=generator))

    return change


def two_swapped(dim: int) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Exchange the first two rows or columns."""

    def change(value: Tensor, _: torch.Generator) -> Tensor:
        order = torch.arange(value.shape[dim])
        order[:2] = order[:2].flip(0)
        return value.index_select(dim, order)

    return change


def lower_rank(value: Tensor, _: torch.Generator) -> Tensor:
    """Take out the least component that is above rounding, as PowerSGD may."""
    if value.ndim == 1:
        return value
    u, values, v = torch.linalg.svd(value.double(), full_matrices=False)
    rank = int((values > 1e-5 * values[0]).sum())
    return (u[:, : rank - 1] * values[: rank - 1] @ v[: rank - 1]).float()


def of_batch(change: Callable[[Batch, torch.Generator], Batch]) -> Alteration:
    """Share the honest update of a peculiar batch."""

    def altered(case: Case) -> Altered:
        batch = change(case.batch, case.generator)
        return Altered(case.share(batch), (batch,))

    return altered


def moved_inputs(move: Callable[[Tensor, torch.Generator], Tensor]) -> Alteration:
    """Share the honest update of other inputs."""
    return of_batch(lambda batch, generator: Batch(move(batch.inputs, generator), batch.labels))


def near_duplicate(distance: float) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Make the last input nearly equal to the first."""

    def change(inputs: Tensor, generator: torch.Generator) -> Tensor:
        moved = inputs.clone()
        size = distance * torch.randn(inputs[0].shape, generator=generator)
        moved[-1] = inputs[0] + size
        return moved

    return change


def first_times(by: float) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Scale the first input."""

    def change(inputs: Tensor, _: torch.Generator) -> Tensor:
        scaled = inputs.clone()
        scaled[0] *= by
        return scaled

    return change


def summed(share: float, in_pair_only: bool = False) -> Alteration:
    """Add a share of the update of another batch, perhaps to the first two layers alone."""

    def altered(case: Case) -> Altered:
        update, other = case.share(), case.share(case.other).gradients
        names = case.pair if in_pair_only else list(other)
        both = {name: update.gradients[name] + share * other[name] for name in names}
        return Altered(_with(update, both), (case.batch, case.other))

    return altered


def mixed(places: Sequence[int]) -> Alteration:
    """Take the update of some layers, by their number, from another batch."""

    def altered(case: Case) -> Altered:
        update, other = case.share(), case.share(case.other).gradients
        layers = list(dict.fromkeys(name.partition(".")[0] for name in other))
        chosen = {layers[place] for place in places}
        moved = {name: value for name, value in other.items() if name.partition(".")[0] in chosen}
        return Altered(_with(update, moved), (case.batch,))

    return altered


def local_steps(epochs: int, rate: float, size: int | None = None) -> Alteration:
    """Share the update of local training (FedAvg)."""

    def altered(case: Case) -> Altered:
        client = Client(case.network, FedAvg(epochs, rate, size))
        return Altered(client.share(case.batch, case.generator), (case.batch,))

    return altered


def momentum(share: float, rate: float) -> Alteration:
    """Add a share of the gradient before a step on another batch."""

    def altered(case: Case) -> Altered:
        before = case.share(case.other).gradients
        stepped = deepcopy(case.network)
        with torch.no_grad():
            for name, parameter in stepped.named_parameters():
                parameter.sub_(rate * before[name])
        update = Client(stepped).share(case.batch)
        moved = {name: value + share * before[name] for name, value in update.gradients.items()}
        return Altered(_with(update, moved), (case.batch, case.other))

    return altered


def weight_decay(share: float) -> Alteration:
    """Add a multiple of the weights."""

    def altered(case: Case) -> Altered:
        update = case.share()
        own = dict(case.network.named_parameters())
        sizes = [
            g.norm() / own[name].norm().clamp(min=1e-9) for name, g in update.gradients.items()
        ]
        by = share * max(float(size) for size in sizes)
        decayed = {n: g + by * own[n].detach() for n, g in update.gradients.items()}
        return Altered(_with(update, decayed), (case.batch,))

    return altered


def stale(share: float, *parts: str) -> Alteration:
    """Let the server hold other parameters than the client had."""

    def altered(case: Case) -> Altered:
        update, network = case.share(), deepcopy(case.network)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if not parts or name.rpartition(".")[2] in parts:
                    size = share * parameter.square().mean().sqrt()
                    parameter.add_(size * torch.randn(parameter.shape, generator=case.generator))
        return Altered(replace(update, network=network), (case.batch,))

    return altered


def claimed(truly: str, name: str, **settings: float) -> Alteration:
    """Let the server hold an activation that is not the client's, in every place.

    Args:
        truly: name of the client's.
        name: of the server's.
        settings: of the server's.
    """

    def altered(case: Case) -> Altered:
        client = _activated(case.network, lambda: activated_by(truly))
        server = _activated(case.network, lambda: _with_settings(name, settings))
        update = Client(client).share(case.batch)
        return Altered(replace(update, network=server), (case.batch,), client)

    return altered


def _activated(network: nn.Sequential, made: Callable[[], nn.Module]) -> nn.Sequential:
    layers = (deepcopy(each) if isinstance(each, nn.Linear) else made() for each in network)
    return nn.Sequential(*layers)


def _with_settings(name: str, settings: dict[str, float]) -> nn.Module:
    classes = {"leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "softplus": nn.Softplus}
    return classes[name](**settings) if settings else activated_by(name)


def both(first: Alteration, change: Callable[[Case, Altered], Altered]) -> Alteration:
    """Alter an altered update again."""
    return lambda case: change(case, first(case))


def without_last_bias(case: Case, altered: Altered) -> Altered:
    """Leave out the bias gradient of the last layer."""
    name = list(altered.update.gradients)[-1]
    left = {k: v for k, v in altered.update.gradients.items() if k != name}
    return replace(altered, update=replace(altered.update, gradients=left))


def half(value: Tensor, _: torch.Generator) -> Tensor:
    """Round to float16."""
    return value.half().float()


def brain(value: Tensor, _: torch.Generator) -> Tensor:
    """Round to bfloat16."""
    return value.bfloat16().float()


ALTERATIONS: dict[str, Alteration] = {
    "none": each(times(1.0)),
    "none, no last bias": both(each(times(1.0)), without_last_bias),
    "all scaled": each(times(3.7)),
    "negated": each(times(-1.0)),
    **{f"biases times {by:g}": each(times(by), "bias") for by in (1.01, 2.0, 8.0, -1.0)},
    **{f"weights times {by:g}": each(times(by), "weight") for by in (1.01, 2.0)},
    **{
        f"{name} times {by:g}": each(times(by), part)
        for name, part in (
            ("G1", "0.weight"), ("dL/dc1", "0.bias"), ("G2", "1.weight"), ("dL/dc2", "1.bias"),
        )
        for by in (1.01, 2.0, 8.0)
    },
    **{
        f"dL/dc1 times {by:g}, no last bias": both(each(times(by), "0.bias"), without_last_bias)
        for by in (1.01, 2.0)
    },
    "G1 and dL/dc1 doubled": each(times(2.0), "0.weight", "0.bias"),
    "both bias gradients of the pair doubled": each(times(2.0), "0.bias", "1.bias"),
    "dL/dc1 of zeros": each(times(0.0), "0.bias"),
    "each tensor to a norm": each(to_norm(0.1)),
    "entries clipped": each(entries_to(0.5)),
    "entries clipped hardly": each(entries_to(0.98)),
    "float16": each(half),
    "bfloat16": each(brain),
    "int8": each(int8),
    "biases in float16": each(half, "bias"),
    "G1 in float16": each(half, "0.weight"),
    "signs": each(lambda value, _: value.sign()),
    **{f"noise of {by:g}": each(noise(by)) for by in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)},
    "noise of 1e-3 in biases": each(noise(1e-3), "bias"),
    "noise of 1e-4 in G2": each(noise(1e-4), "1.weight"),
    "top half": each(top(0.5)),
    "top 99 of 100": each(top(0.99)),
    **{f"one entry by {by:g}": each(one_entry(by)) for by in (1e-5, 1e-3, 1.0)},
    **{
        f"one entry of {name} by {by:g}": each(one_entry(by), part)
        for name, part in (("G1", "0.weight"), ("dL/dc1", "0.bias"), ("G2", "1.weight"))
        for by in (1e-4, 0.1)
    },
    "rows permuted": each(permuted(0)),
    "rows of G1 permuted": each(permuted(0), "0.weight"),
    "columns of G1 permuted": each(permuted(1), "0.weight"),
    "columns of G2 permuted": each(permuted(1), "1.weight"),
    "two neurons swapped in G1": each(two_swapped(0), "0.weight", "0.bias"),
    "two neurons swapped in G2": each(two_swapped(1), "1.weight"),
    "rank lowered": each(lower_rank, "weight"),
    "rank of G1 lowered": each(lower_rank, "0.weight"),
    "rank of G2 lowered": each(lower_rank, "1.weight"),
    "two batches": summed(1.0),
    "a trace of another batch": summed(1e-4),
    "two batches in the pair": summed(1.0, in_pair_only=True),
    "a trace of another batch in the pair": summed(1e-5, in_pair_only=True),
    "second layer of another batch": mixed([1]),
    "first layer of another batch": mixed([0]),
    "last layer of another batch": mixed([-1]),
    **{f"{e} steps at rate {r:g}": local_steps(e, r) for e, r in ((2, 1e-5), (2, 1e-3), (5, 0.1))},
    "mini-batches at rate 1e-4": local_steps(1, 1e-4, 1),
    "momentum": momentum(0.9, 1e-2),
    "momentum at rate 1e-6": momentum(0.9, 1e-6),
    **{f"weight decay of {by:g}": weight_decay(by) for by in (1e-6, 1e-3)},
    **{f"stale by {by:g}": stale(by) for by in (1e-6, 1e-5, 1e-4, 1e-2)},
    "stale biases by 1e-3": stale(1e-3, "bias"),
    "stale biases by 1": stale(1.0, "bias"),
    **{
        f"{truly} claimed as {name}": claimed(truly, name)
        for truly, name in (
            ("relu", "relu6"), ("relu6", "relu"), ("relu", "leaky_relu"), ("leaky_relu", "relu"),
            ("gelu", "gelu_tanh"), ("gelu_tanh", "gelu"), ("silu", "hardswish"), ("gelu", "silu"),
            ("elu", "celu"), ("elu", "selu"), ("tanh", "hardtanh"), ("softplus", "relu"),
        )
    },
    "leaky_relu claimed with 0.0101": claimed("leaky_relu", "leaky_relu", negative_slope=0.0101),
    "leaky_relu claimed with 0.0100001": claimed(
        "leaky_relu", "leaky_relu", negative_slope=0.0100001
    ),
    "elu claimed with 1.001": claimed("elu", "elu", alpha=1.001),
    "softplus claimed with beta 1.001": claimed("softplus", "softplus", beta=1.001),
    "duplicates": moved_inputs(near_duplicate(0.0)),
    **{f"near duplicates of {by:g}": moved_inputs(near_duplicate(by)) for by in (1e-2, 1e-4, 1e-6)},
    **{
        f"inputs times {by:g}": moved_inputs(lambda x, _, by=by: by * x)  # type: ignore[misc]
        for by in (1e-4, 1e-2, 30.0)
    },
    **{f"one input times {by:g}": moved_inputs(first_times(by)) for by in (0.0, 1e-3, 100.0)},
    "one label": of_batch(lambda batch, _: Batch(batch.inputs, torch.zeros_like(batch.labels))),
}  # fmt: skip
"""Kinds of alterations by name."""
