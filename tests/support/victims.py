"""Networks that attacks on the whole update refuse, as `network._target_=victims.<name>`."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spear.networks import fcnn

WIDTH = 40


class Once(torch.autograd.Function):
    """The identity, differentiable once."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(context: Any, inputs: Any, output: Tensor) -> None:
        pass

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return gradient.clone()


class OnceModule(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Once.apply(x)  # type: ignore[no-any-return, no-untyped-call]


class Detach(nn.Module):
    """Cuts off what comes before."""

    def forward(self, x: Tensor) -> Tensor:
        return x.detach()


def with_module(module: nn.Module, input_shape: Sequence[int], n_classes: int) -> nn.Sequential:
    """A fully connected network with `module` after its first ReLU, in training mode."""
    network = fcnn(input_shape, n_classes, WIDTH, 3)
    return nn.Sequential(*network[:3], module, *network[3:])


def batch_norm(input_shape: Sequence[int], n_classes: int) -> nn.Sequential:
    return with_module(nn.BatchNorm1d(WIDTH), input_shape, n_classes)


def dropout(input_shape: Sequence[int], n_classes: int) -> nn.Sequential:
    return with_module(nn.Dropout(), input_shape, n_classes)


def once(input_shape: Sequence[int], n_classes: int) -> nn.Sequential:
    return with_module(OnceModule(), input_shape, n_classes)


VICTIMS: dict[str, tuple[Callable[..., nn.Sequential], str]] = {
    "batch_norm": (batch_norm, "module '3' (BatchNorm1d) of the network is in training mode"),
    "dropout": (dropout, "module '3' (Dropout) of the network is in training mode"),
    "once": (once, "module '3' (OnceModule) of the network cannot be differentiated twice"),
}
"""Name -> how to make it, and what is said of it."""
