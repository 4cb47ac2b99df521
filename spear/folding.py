"""Batch norms in evaluation mode, folded into the linear layers before them.

Such a norm is an affine map of each neuron by itself, with known numbers: mean mu and variance v of
the past, and the parameters gamma and beta. With s = gamma / sqrt(v + eps),

    s (W x + c - mu) + beta = W' x + c',   W' = diag(s) W,   c' = s (c - mu) + beta,

so that a linear layer and its norm are one linear layer. By the chain rule

    dL/dW' = diag(1 / s) dL/dW,   dL/dc' = dL/dbeta = (1 / s) dL/dc.

The shared update is thereby one of a network without the norm, also if the layer has no bias.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from spear.errors import VictimError
from spear.probing import Call, copied, run, tensors, watching
from spear.tracing.neighbours import Station
from spear.tracing.run import trace


@dataclass(frozen=True)
class Folding:
    """A linear layer and the batch norm behind it.

    Attributes:
        layer, norm: their names.
        scale: s, m.
    """

    layer: str
    norm: str
    scale: Tensor


def foldings(network: nn.Module, like: Any) -> tuple[Folding, ...]:
    """Return the batch norms that can be folded: each takes all outputs of one linear layer.

    Left out are norms in training mode, those between which and the layer something stands, those
    with a gamma of 0, behind which the update of a neuron is lost, and those where a parameter of
    either is tied to another one, or computed from others as a pruned weight is.

    Args:
        network: it is not changed.
        like: a batch that it takes, or the shape of one of its inputs, as for
            `spear.layers.linear_layers`.
    """
    if not any(_is_fixed(each) for each in network.modules()):
        return ()
    parameter = next(network.parameters())
    inputs = like if next(tensors(like), None) is not None else parameter.new_zeros(2, *like)
    try:
        found = trace(network, inputs)
    except VictimError:
        return ()
    plain = copied(network)
    calls, own = _calls(plain, inputs), _own_parameters(plain)
    once = [name for name, number in Counter(each.name for each in calls).items() if number == 1]
    chosen = []
    for norm in (each for each in calls if _is_fixed(each.module) and each.inputs.ndim == 2):
        for layer in (each for each in calls if each.output is norm.inputs):
            alone = {layer.name, norm.name} <= {*once} and layer.name in found.passages
            alone &= {f"{layer.name}.weight", f"{layer.name}.bias"} <= own
            alone &= {f"{norm.name}.weight", f"{norm.name}.bias"} <= own
            scale = _scale(norm.module)
            if alone and found.after(layer.name)[0] == {Station.BATCH_NORM} and bool(scale.all()):
                chosen.append(Folding(layer.name, norm.name, scale))
    return tuple(chosen)


def _calls(network: nn.Module, inputs: Any) -> list[Call]:
    """Calls of linear layers and batch norms, of a network that may change."""
    kinds = nn.Linear | _BatchNorm
    watched = {name: each for name, each in network.named_modules() if isinstance(each, kinds)}
    calls: list[Call] = []

    def see(call: Call) -> None:
        calls.append(call)

    with torch.random.fork_rng(), watching(watched, see), torch.no_grad():
        run(network, inputs)
    return calls


def _own_parameters(network: nn.Module) -> set[str]:
    """Names of parameters of one use, and of those that a linear layer or a norm does without."""
    named = [*network.named_parameters(remove_duplicate=False)]
    uses = Counter(id(each) for _, each in named)
    absent = {
        f"{place}.{part}".lstrip(".")
        for place, module in network.named_modules()
        for part, value in module._parameters.items()
        if value is None
    }
    return absent | {name for name, each in named if uses[id(each)] == 1}


def without_norms(network: nn.Module, like: Any) -> nn.Module:
    """Return a network that computes the same with these norms folded; itself if there are none."""
    chosen = foldings(network, like)
    return fold(network, chosen) if chosen else network


def fold(network: nn.Module, chosen: tuple[Folding, ...]) -> nn.Module:
    """Return a copy of a network that computes the same without these batch norms."""
    found: nn.Module = copied(network)
    for each in chosen:
        linear, norm = found.get_submodule(each.layer), found.get_submodule(each.norm)
        assert isinstance(linear, nn.Linear)
        assert isinstance(norm, _BatchNorm)
        weight, bias = _folded(linear, norm, each.scale)
        trained = linear.weight.requires_grad
        linear.weight, linear.bias = nn.Parameter(weight, trained), nn.Parameter(bias, trained)
        parent, _, name = each.norm.rpartition(".")
        setattr(found.get_submodule(parent), name, nn.Identity())
    return found


def fold_gradients(gradients: dict[str, Tensor], chosen: tuple[Folding, ...]) -> dict[str, Tensor]:
    """Return the update of the network without these norms; that of a frozen part is not there."""
    found = dict(gradients)
    for each in chosen:
        scale = each.scale
        if (weight := found.pop(f"{each.layer}.weight", None)) is not None:
            found[f"{each.layer}.weight"] = _over(weight, scale[:, None])
        bias, beta = found.pop(f"{each.layer}.bias", None), found.pop(f"{each.norm}.bias", None)
        found.pop(f"{each.norm}.weight", None)
        if beta is not None:
            found[f"{each.layer}.bias"] = beta
        elif bias is not None:
            found[f"{each.layer}.bias"] = _over(bias, scale)
    return found


def _is_fixed(module: nn.Module) -> bool:
    """Return whether it is a norm in evaluation mode of the kinds that take rows of neurons.

    Norms of images and volumes never follow a linear layer, so that a network of these alone is not
    run to look for one.
    """
    rows = isinstance(module, nn.BatchNorm1d | nn.SyncBatchNorm)
    fixed = rows and not module.training
    return fixed and module.running_mean is not None and module.running_var is not None


def _scale(norm: nn.Module) -> Tensor:
    assert isinstance(norm, _BatchNorm)
    assert norm.running_var is not None
    gamma, _ = _parameters(norm)
    return gamma.detach().double() / (norm.running_var.double() + norm.eps).sqrt()


def _parameters(norm: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Return gamma and beta; 1 and 0 of a norm without any."""
    assert norm.running_mean is not None
    gamma = torch.ones_like(norm.running_mean) if norm.weight is None else norm.weight
    beta = torch.zeros_like(norm.running_mean) if norm.bias is None else norm.bias
    return gamma, beta


def _folded(linear: nn.Linear, norm: _BatchNorm, scale: Tensor) -> tuple[Tensor, Tensor]:
    """W' and c'."""
    assert norm.running_mean is not None
    _, beta = _parameters(norm)
    bias = 0 if linear.bias is None else linear.bias.detach().double()
    weight = scale[:, None] * linear.weight.detach().double()
    moved = scale * (bias - norm.running_mean.double()) + beta.detach().double()
    return weight.to(linear.weight.dtype), moved.to(linear.weight.dtype)


def _over(gradient: Tensor, scale: Tensor) -> Tensor:
    return (gradient.double() / scale.to(gradient.device)).to(gradient.dtype)
