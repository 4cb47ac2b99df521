"""Random updates of random networks, as careful and careless users give them to an audit."""

import random
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Named = dict[str, Tensor]

CLASSES = 5


@dataclass(frozen=True)
class Layer:
    """What a linear layer received in truth.

    Attributes:
        inputs: different inputs (b' x n) that have a gradient in the update.
        leaks: whether the theory gives them away: a ReLU follows, and they are fewer than the
            layer is wide on either side.
    """

    inputs: Tensor
    leaks: bool


@dataclass(frozen=True)
class Case:
    """An audit to be made, and the truth about it.

    Attributes:
        kind: of the update.
        said: further choices, in words.
        model: that the audit is given.
        update: that the audit is given.
        settings: further arguments of the audit.
        unaltered: whether the update is the gradient of one batch up to a factor, and the model
            has the weights of which it is.
        rounded: whether it is rounded beyond float32, so that inputs are only nearly right.
        told: whether the audit is told a loss that fits.
        layers: truth by name of the layer.
    """

    kind: str
    said: str
    model: nn.Module
    update: Any
    settings: Mapping[str, Any]
    unaltered: bool
    rounded: bool
    told: bool
    layers: Mapping[str, Layer] = field(repr=False)


class Residual(nn.Module):
    """A connection that goes around a ReLU layer."""

    def __init__(self, n: int, m: int) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(n, m), nn.Linear(m, n), nn.Linear(n, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs."""
        x = x.flatten(1)
        return self.c(x + self.b(torch.relu(self.a(x))))


def _perceptron(n: int, widths: list[int], activation: type[nn.Module], outputs: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in zip([n, *widths], widths, strict=False):
        layers += [nn.Linear(before, after), activation()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


def _convolution(n: int, m: int, outputs: int) -> nn.Module:
    middle = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(4 * n, m), nn.ReLU())
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), *middle, nn.Linear(m, outputs))


def _normed(n: int, m: int, outputs: int) -> nn.Module:
    norm = nn.Sequential(nn.Flatten(), nn.Linear(n, m), nn.BatchNorm1d(m), nn.ReLU())
    return nn.Sequential(*norm, nn.Linear(m, m), nn.ReLU(), nn.Linear(m, outputs))


NETWORKS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "one hidden layer": lambda n, m, k: _perceptron(n, [m], nn.ReLU, k),
    "two hidden layers": lambda n, m, k: _perceptron(n, [m, m + 8], nn.ReLU, k),
    "three hidden layers": lambda n, m, k: _perceptron(n, [m, m, m], nn.ReLU, k),
    "tanh": lambda n, m, k: _perceptron(n, [m, m], nn.Tanh, k),
    "gelu": lambda n, m, k: _perceptron(n, [m, m], nn.GELU, k),
    "convolution": _convolution,
    "batch norm": _normed,
    "batch norm, evaluated": lambda n, m, k: _normed(n, m, k).eval(),
    "around a layer": lambda n, m, k: Residual(n, m),
}

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": functional.cross_entropy,
    "smoothed": lambda z, y: functional.cross_entropy(z, y, label_smoothing=0.1),
    "summed": lambda z, y: functional.cross_entropy(z, y, reduction="sum"),
    "mixup": lambda z, y: functional.cross_entropy(
        z, 0.3 * functional.one_hot(y, CLASSES) + 0.7 * functional.one_hot(y.roll(1), CLASSES)
    ),
    "squares": lambda z, y: functional.mse_loss(z, functional.one_hot(y, CLASSES).float()),
}


def _each(change: Callable[[Tensor], Tensor]) -> Callable[[Named], Named]:
    return lambda update: {name: change(each) for name, each in update.items()}


def _neurons_permuted(update: Named) -> Named:
    order: dict[str, Tensor] = {}
    for name, each in update.items():
        order.setdefault(name.rpartition(".")[0], torch.randperm(len(each)))
    return {name: each[order[name.rpartition(".")[0]]] for name, each in update.items()}


def _quantised(value: Tensor) -> Tensor:
    step = value.abs().max().clamp(min=1e-30) / 127
    return (value / step).round() * step


def _largest(value: Tensor) -> Tensor:
    least = value.abs().flatten().topk(max(1, value.numel() // 3)).values[-1]
    return torch.where(value.abs() >= least, value, 0.0)


def _noisy(share: float) -> Callable[[Named], Named]:
    return _each(lambda value: value + share * value.std(correction=0) * torch.randn_like(value))


def _one_layer_scaled(update: Named) -> Named:
    chosen = random.choice(list(update))
    return {name: 1.5 * each if name == chosen else each for name, each in update.items()}


def _nan(update: Named) -> Named:
    chosen = random.choice(list(update))
    return {
        name: torch.full_like(each, torch.nan) if name == chosen else each
        for name, each in update.items()
    }


UNALTERED: dict[str, Callable[[Named], Any]] = {
    "gradients by name": dict,
    "gradient list": lambda update: list(update.values()),
    "arrays": lambda update: [each.numpy() for each in update.values()],
    "wrapper's names": lambda update: {f"module.{name}": each for name, each in update.items()},
    "difference": _each(lambda value: -0.01 * value),
    "checkpoint": lambda update: {"state_dict": update, "epoch": 3},
    "sparse": _each(Tensor.to_sparse),
}

ROUNDED: dict[str, Callable[[Named], Named]] = {
    "float16": _each(Tensor.half),
    "bfloat16": _each(Tensor.bfloat16),
}

ALTERED: dict[str, Callable[[Named], Any]] = {
    "neurons permuted": _neurons_permuted,
    "columns permuted": _each(
        lambda value: value[:, torch.randperm(value.shape[1])] if value.ndim > 1 else value
    ),
    "largest third": _each(_largest),
    "clipped": _each(lambda value: value.clamp(-0.3 * value.std(), 0.3 * value.std())),
    "signs": _each(torch.sign),
    "noise of 1e-4": _noisy(1e-4),
    "noise of 0.1": _noisy(0.1),
    "one tensor scaled": _one_layer_scaled,
    "NaN": _nan,
    "quantised": _each(_quantised),
    "zeros": _each(torch.zeros_like),
    "a tensor missing": lambda update: dict(list(update.items())[:-1]),
    "shuffled list": lambda update: random.sample(list(update.values()), len(update)),
}

WEIGHTS = ("state dict", "weight list", "weights and learning rate")
OTHER = ("wrong weights", "two local steps", "batch")
KINDS = (*UNALTERED, *ROUNDED, *ALTERED, *WEIGHTS, *OTHER)


def case(seed: int) -> Case:
    """Return a random case; the kinds of updates come in turns."""
    random.seed(seed)
    torch.manual_seed(seed)
    kind, network = KINDS[seed % len(KINDS)], random.choice(list(NETWORKS))
    side, m = random.choice([4, 6]), random.choice([24, 40])
    model = NETWORKS[network](side**2, m, CLASSES)
    inputs, odd = _inputs(random.choice([1, 2, 3, 5, 8, m + 20]) + (network == "batch norm"), side)
    labels, name = torch.randint(CLASSES, (len(inputs),)), random.choice(list(LOSSES))
    if name == "cross-entropy" and random.random() < 0.2:
        odd, labels[0] = f"{odd}, a label ignored", -100
    loss = LOSSES[name]
    gradients, layers = _truth(model, loss, inputs, labels)
    settings: dict[str, Any] = {"input_shape": tuple(inputs.shape[1:])}
    told = name != "squares" or random.random() < 0.7
    if name == "squares" and told:
        settings["loss"] = loss
    if random.random() < 0.3:
        settings["labels"] = labels
    update, model, more = _update(kind, model, gradients, (loss, inputs, labels))
    return Case(
        kind,
        f"{network}, {name}{'' if told else ' untold'}, b = {len(inputs)} {odd}",
        model,
        update,
        settings | more,
        kind in UNALTERED or kind in ROUNDED or kind in WEIGHTS or kind == "batch",
        kind in ROUNDED or kind in WEIGHTS,
        told,
        layers,
    )


def _inputs(b: int, side: int) -> tuple[Tensor, str]:
    inputs, odd = torch.randn(b, 1, side, side), random.choice(["", "", "pixels", "equal", "empty"])
    if odd == "pixels":
        inputs = inputs.clamp(min=0)
        inputs[..., 0] = 0.0
    elif odd == "equal":
        inputs = torch.cat([inputs, inputs[:2]])
    elif odd == "empty":
        inputs[-1] = 0.0
    return inputs, odd


def _truth(
    model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, labels: Tensor
) -> tuple[Named, dict[str, Layer]]:
    """Return the gradients of a batch, and what each linear layer received."""
    copy, seen, outputs = deepcopy(model), {}, {}
    for name, module in copy.named_modules():
        if isinstance(module, nn.Linear):

            def hook(_: Any, args: Any, output: Tensor, name: str = name) -> None:
                output.retain_grad()
                seen[name], outputs[name] = args[0].detach(), output

            module.register_forward_hook(hook)
    loss(copy(inputs), labels).backward()  # type: ignore[no-untyped-call]
    gradients = {name: each.grad for name, each in copy.named_parameters() if each.grad is not None}
    layers = {}
    for name, output in outputs.items():
        rows = seen[name][torch.as_tensor(output.grad).ne(0).any(dim=1)]
        found = torch.unique(rows, dim=0)
        leaks = _before_relu(copy, name) and 0 < len(found) < min(output.shape[1], rows.shape[1])
        independent = int(torch.linalg.matrix_rank(found.double())) == len(found)
        layers[name] = Layer(found, leaks and independent)
    return gradients, layers


def _before_relu(model: nn.Module, name: str) -> bool:
    if isinstance(model, Residual):
        return name == "a"
    modules = [each for each in model.modules() if not isinstance(each, nn.Sequential)]
    place = modules.index(model.get_submodule(name))
    return place + 1 < len(modules) and isinstance(modules[place + 1], nn.ReLU)


def _update(
    kind: str, model: nn.Module, gradients: Named, batch: tuple[Any, Tensor, Tensor]
) -> tuple[Any, nn.Module, dict[str, Any]]:
    """Return what the audit is given: the update, the model, and further arguments."""
    for kinds in (UNALTERED, ROUNDED, ALTERED):
        if kind in kinds:
            return kinds[kind](gradients), model, {}
    if kind == "batch":
        return lambda: batch[1:], model, {"loss": batch[0], "input_shape": None}
    if kind == "wrong weights":
        other = deepcopy(model)
        for module in other.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()
        return gradients, other, {}
    trained, steps = deepcopy(model), 2 if kind == "two local steps" else 1
    for _ in range(steps):
        shared, _layers = _truth(trained, *batch)
        with torch.no_grad():
            for name, each in trained.named_parameters():
                each.sub_(0.05 * shared[name])
    state = trained.state_dict()
    if kind == "weight list":
        return [each.numpy() for each in state.values()], model, {}
    return state, model, {"learning_rate": 0.05} if kind.endswith("rate") else {}
