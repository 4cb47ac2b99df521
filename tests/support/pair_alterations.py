"""What may become of a layer pair's update between client and server, by name.

An alteration takes the victim, a batch and a generator. It returns what the server holds, and the
inputs which are behind it, if any are.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from support.alterations import largest, noisy, quantised
from support.pair_updates import Private, Shared, Victim, share
from torch import Tensor, nn

from spear.activations.named import elementwise
from spear.tracing.activations import Activation

Alteration = Callable[[Victim, Private, torch.Generator], tuple[Shared, Tensor]]

PARTS = ("weight_gradient", "bias_gradient", "next_weight_gradient", "next_bias_gradient")
FIRST, NEXT = PARTS[:2], PARTS[2:]
WEIGHTS, BIASES = PARTS[::2], PARTS[1::2]


def of(parts: tuple[str, ...], change: Callable[[Tensor], Tensor]) -> Alteration:
    """The same change of each of some gradients by itself."""

    def altered(
        victim: Victim, batch: Private, generator: torch.Generator
    ) -> tuple[Shared, Tensor]:
        shared = share(victim, batch)
        return shared.changed(**{p: change(getattr(shared, p)) for p in parts}), batch.inputs

    return altered


def factor(parts: tuple[str, ...], by: float) -> Alteration:
    return of(parts, lambda value: by * value)


def rescaled(by_weights: float, by_biases: float) -> Alteration:
    """All gradients of weights and all of biases by a factor each.

    Behind a homogeneous activation without biases that is the update of inputs by another factor.
    So is a change of sign behind tanh.
    """

    def altered(
        victim: Victim, batch: Private, generator: torch.Generator
    ) -> tuple[Shared, Tensor]:
        shared = share(victim, batch)
        for parts, by in ((WEIGHTS, by_weights), (BIASES, by_biases)):
            shared = shared.changed(**{p: by * getattr(shared, p) for p in parts})
        by = by_weights / by_biases
        alike = victim.activation.homogeneous or (victim.activation.name == "tanh" and by == -1)
        return shared, batch.inputs * (by if alike and not shared.bias.any() else 1.0)

    return altered


def of_batch(change: Callable[[Private, torch.Generator], Private]) -> Alteration:
    """An honest update of a peculiar batch."""

    def altered(
        victim: Victim, batch: Private, generator: torch.Generator
    ) -> tuple[Shared, Tensor]:
        batch = change(batch, generator)
        return share(victim, batch), batch.inputs

    return altered


def claimed(change: Callable[[Shared, torch.Generator], Shared]) -> Alteration:
    """Parameters, or an activation, other than those of the client."""

    def altered(
        victim: Victim, batch: Private, generator: torch.Generator
    ) -> tuple[Shared, Tensor]:
        return change(share(victim, batch), generator), batch.inputs

    return altered


def another(batch: Private, generator: torch.Generator) -> Private:
    """A batch of the same size."""
    inputs = torch.randn(batch.inputs.shape, generator=generator)
    return replace(batch, inputs=inputs, labels=batch.labels.flip(0))


def combined(shared: Shared, other: Shared, share_of_other: float) -> Shared:
    sums = {p: getattr(shared, p) + share_of_other * getattr(other, p) for p in PARTS}
    return shared.changed(**sums)


def two_batches(share_of_other: float) -> Alteration:
    """A sum over two batches, which is the update of both together; with a share, momentum."""

    def altered(
        victim: Victim, batch: Private, generator: torch.Generator
    ) -> tuple[Shared, Tensor]:
        other = another(batch, generator)
        shared = combined(share(victim, batch), share(victim, other), share_of_other)
        return shared, torch.cat([batch.inputs, other.inputs])

    return altered


def two_halves(victim: Victim, batch: Private, generator: torch.Generator) -> tuple[Shared, Tensor]:
    """G1 of one batch and G2 of another."""
    shared, other = share(victim, batch), share(victim, another(batch, generator))
    return shared.changed(**{p: getattr(other, p) for p in NEXT}), batch.inputs


def stepped(victim: Victim, shared: Shared, rate: float) -> Victim:
    """The network after one step on the attacked pair."""
    layers = [
        nn.Linear(*each.weight.T.shape) if isinstance(each, nn.Linear) else each
        for each in victim.network
    ]
    network = nn.Sequential(*layers)
    network.load_state_dict(victim.network.state_dict())
    with torch.no_grad():
        for layer, parts in ((network[0], FIRST), (network[2], NEXT)):
            layer.weight -= rate * getattr(shared, parts[0])
            layer.bias -= rate * getattr(shared, parts[1])
    return Victim(network, victim.activation)


def two_steps(rate: float, same_batch: bool, share_of_first: float = 1.0) -> Alteration:
    """A sum of the gradients of two local steps; with a share below 1, momentum."""

    def altered(
        victim: Victim, batch: Private, generator: torch.Generator
    ) -> tuple[Shared, Tensor]:
        shared = share(victim, batch)
        second = batch if same_batch else another(batch, generator)
        other = share(stepped(victim, shared, rate), second)
        inputs = batch.inputs if same_batch else torch.cat([batch.inputs, second.inputs])
        return combined(shared, other, 1 / share_of_first), inputs

    return altered


def weight_decay(share_of_norm: float) -> Alteration:
    def change(shared: Shared, generator: torch.Generator) -> Shared:
        weights = {"weight_gradient": shared.weight, "next_weight_gradient": shared.next_weight}
        decay = share_of_norm * shared.weight_gradient.norm() / shared.weight.norm()
        return shared.changed(**{p: getattr(shared, p) + decay * w for p, w in weights.items()})

    return claimed(change)


def permuted(parts: tuple[str, ...], dim: int) -> Alteration:
    def change(shared: Shared, generator: torch.Generator) -> Shared:
        size = getattr(shared, parts[0]).shape[dim]
        order = torch.randperm(size, generator=generator)
        return shared.changed(**{p: getattr(shared, p).index_select(dim, order) for p in parts})

    return claimed(change)


def two_neurons_swapped(parts: tuple[str, ...], dim: int) -> Alteration:
    def change(shared: Shared, generator: torch.Generator) -> Shared:
        size = getattr(shared, parts[0]).shape[dim]
        order = torch.arange(size)
        order[:2] = order[:2].flip(0)
        return shared.changed(**{p: getattr(shared, p).index_select(dim, order) for p in parts})

    return claimed(change)


def one_entry(part: str, by: float) -> Alteration:
    """The largest entry changed by this share of it."""

    def change(value: Tensor) -> Tensor:
        changed = value.clone()
        changed.view(-1)[value.abs().argmax()] *= 1 + by
        return changed

    return of((part,), change)


def noisy_parameter(name: str, by: float) -> Alteration:
    def change(shared: Shared, generator: torch.Generator) -> Shared:
        value = getattr(shared, name)
        moved = value * (1 + by * torch.randn(value.shape, generator=generator))
        return shared.changed(**{name: moved})

    return claimed(change)


def activation(name: str, **settings: float | str) -> Alteration:
    """Claims an activation; the update is honest if it is that of the client."""
    sigma = elementwise(Activation(name, **settings), {})
    return claimed(lambda shared, _: shared.changed(activation=sigma))


def near_duplicates(distance: float) -> Alteration:
    def change(batch: Private, generator: torch.Generator) -> Private:
        inputs = batch.inputs.clone()
        inputs[-1] = inputs[0] + distance * torch.randn(inputs[0].shape, generator=generator)
        return replace(batch, inputs=inputs)

    return of_batch(change)


def scaled_inputs(by: float) -> Alteration:
    return of_batch(lambda batch, _: replace(batch, inputs=by * batch.inputs))


def one_scaled_input(by: float) -> Alteration:
    def change(batch: Private, generator: torch.Generator) -> Private:
        scales = torch.ones(len(batch.inputs), 1)
        scales[0] = by
        return replace(batch, inputs=scales * batch.inputs)

    return of_batch(change)


def one_weight(by: float) -> Alteration:
    def change(batch: Private, generator: torch.Generator) -> Private:
        weights = batch.weights.clone()
        weights[0] = by
        return replace(batch, weights=weights)

    return of_batch(change)


def small_differences(size: float) -> Alteration:
    """Inputs that are nearly one and the same."""

    def change(batch: Private, generator: torch.Generator) -> Private:
        centre = torch.randn(batch.inputs.shape[1], generator=generator)
        return replace(batch, inputs=centre + size * batch.inputs)

    return of_batch(change)


def without_next_bias(alteration: Alteration) -> Alteration:
    """An alteration of an update that lacks dL/dc2."""

    def altered(
        victim: Victim, batch: Private, generator: torch.Generator
    ) -> tuple[Shared, Tensor]:
        shared, inputs = alteration(victim, batch, generator)
        return shared.changed(next_bias_gradient=None), inputs

    return altered


def clipped(share_of_largest: float) -> Callable[[Tensor], Tensor]:
    def change(value: Tensor) -> Tensor:
        most = share_of_largest * value.abs().max()
        return value.clamp(-most, most)

    return change


def seeded(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A change that draws from the global generator, the same each time."""

    def again(value: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return change(value)

    return again


ALTERATIONS: dict[str, Alteration] = {
    "none": of((), lambda value: value),
    "no dL/dc2": without_next_bias(of((), lambda value: value)),
    "all scaled": factor(PARTS, 3.7),
    "all scaled by 1e-4": factor(PARTS, 1e-4),
    "negated": factor(PARTS, -1.0),
    "G1 scaled by 1.01": factor(FIRST[:1], 1.01),
    "G1 doubled": factor(FIRST[:1], 2.0),
    "G1 and dL/dc1 doubled": factor(FIRST, 2.0),
    "G2 scaled by 1.01": factor(NEXT[:1], 1.01),
    "G2 doubled": factor(NEXT[:1], 2.0),
    "G2 and dL/dc2 doubled": factor(NEXT, 2.0),
    "G1 and G2 scaled by 1.01": rescaled(1.01, 1.0),
    **{f"dL/dc1 times {by:g}": factor(BIASES[:1], by) for by in (1.01, 2.0, 8.0, 0.5, -1.0)},
    **{
        f"dL/dc1 times {by:g}, no dL/dc2": without_next_bias(factor(BIASES[:1], by))
        for by in (1.01, 2.0, 8.0, 0.5, -1.0)
    },
    **{f"dL/dc2 times {by:g}": factor(BIASES[1:], by) for by in (1.01, 2.0, -1.0, 0.0)},
    **{f"both dL/dc times {by:g}": rescaled(1.0, by) for by in (1.01, 2.0, -1.0)},
    "dL/dc1 in float16": of(BIASES[:1], lambda value: value.half().float()),
    "float16": of(PARTS, lambda value: value.half().float()),
    "bfloat16": of(PARTS, lambda value: value.bfloat16().float()),
    "int8": of(PARTS, quantised),
    "G2 in float16": of(NEXT, lambda value: value.half().float()),
    "signs": of(PARTS, Tensor.sign),
    **{f"noise of {by:g}": of(PARTS, seeded(noisy(by))) for by in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)},
    "noise of 1e-4 in G1": of(FIRST, seeded(noisy(1e-4))),
    "noise of 1e-4 in G2": of(NEXT, seeded(noisy(1e-4))),
    "clipped to half": of(PARTS, clipped(0.5)),
    "clipped to 0.95": of(PARTS, clipped(0.95)),
    "half of the entries": of(PARTS, largest(0.5)),
    "99 of 100 entries": of(PARTS, largest(0.99)),
    **{
        f"one entry of {name} by {by:g}": one_entry(part, by)
        for name, part in zip(("G1", "dL/dc1", "G2", "dL/dc2"), PARTS, strict=True)
        for by in (1e-5, 1e-3, 1.0)
    },
    "rows of G1 permuted": permuted(("weight_gradient",), 0),
    "rows of G1 and dL/dc1 permuted": permuted(FIRST, 0),
    "columns of G1 permuted": permuted(("weight_gradient",), 1),
    "columns of G2 permuted": permuted(("next_weight_gradient",), 1),
    "rows of G2 permuted": permuted(NEXT[:1], 0),
    "rows of G2 and dL/dc2 permuted": permuted(NEXT, 0),
    "two neurons swapped in G1": two_neurons_swapped(FIRST, 0),
    "two neurons swapped in G2": two_neurons_swapped(NEXT[:1], 1),
    "two batches": two_batches(1.0),
    "momentum": two_batches(0.9),
    "a trace of another batch": two_batches(1e-5),
    "G2 of another batch": two_halves,
    **{f"weight decay of {by:g}": weight_decay(by) for by in (1e-6, 1e-3, 0.1)},
    **{f"two steps at rate {by:g}": two_steps(by, True) for by in (1e-5, 1e-2, 0.5)},
    "two steps on two batches": two_steps(0.1, False),
    "two steps on two batches at rate 1e-6": two_steps(1e-6, False),
    "momentum of a step before": two_steps(0.1, False, 0.9),
    **{
        f"{name} off by {by:g}": noisy_parameter(name, by)
        for name in ("weight", "bias", "next_weight")
        for by in (1e-6, 1e-4, 1e-2)
    },
    "claimed leaky ReLU": activation("leaky_relu"),
    "claimed leaky ReLU of 0.011": activation("leaky_relu", negative_slope=0.011),
    "claimed ReLU": activation("relu"),
    "claimed GELU": activation("gelu"),
    "claimed GELU of tanh": activation("gelu", approximate="tanh"),
    "claimed SiLU": activation("silu"),
    **{f"near duplicates of {by:g}": near_duplicates(by) for by in (1e-2, 1e-3, 1e-4, 1e-6)},
    "duplicates": near_duplicates(0.0),
    **{f"inputs times {by:g}": scaled_inputs(by) for by in (1e-6, 1e-4, 1e-2, 30.0, 1e4)},
    **{f"one input times {by:g}": one_scaled_input(by) for by in (0.0, 1e-4, 1e-2, 100.0)},
    **{f"nearly one input, but for {by:g}": small_differences(by) for by in (1e-4, 1e-2, 0.1)},
    "one label": of_batch(lambda batch, _: replace(batch, labels=torch.zeros_like(batch.labels))),
    **{f"one sample of weight {by:g}": one_weight(by) for by in (1e-2, 1e-4, 1e-6)},
}
