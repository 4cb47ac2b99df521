"""A gradient as gradient matching needs it: inner products, norms, and only then its entries."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Gradient(Protocol):
    """Gradient of one parameter at a candidate, itself differentiable."""

    def inner(self, other: Tensor) -> Tensor:
        """Sum of the products with the entries of `other`, which is shaped as the parameter."""
        ...

    def squared_norm(self) -> Tensor:
        """Sum of the squared entries."""
        ...

    def dense(self) -> Tensor:
        """The entries, shaped as the parameter."""
        ...


@dataclass(frozen=True)
class Dense:
    """A gradient given by its entries."""

    value: Tensor

    def inner(self, other: Tensor) -> Tensor:
        """See `Gradient`."""
        return torch.dot(self.value.flatten(), other.flatten())

    def squared_norm(self) -> Tensor:
        """See `Gradient`."""
        return torch.dot(self.value.flatten(), self.value.flatten())

    def dense(self) -> Tensor:
        """See `Gradient`."""
        return self.value


@dataclass(frozen=True)
class Product:
    """dL/dW = dL/dZ X^T of a linear layer in its factors (Theorem 3.1), never multiplied out.

    With r rows, an inner product costs what a forward pass does and a norm r^2 (m + n), where the
    m n entries would have to be written and read again for either and for both their derivatives.

    Attributes:
        activation_gradients: (dL/dZ)^T, r x m.
        inputs: X^T, r x n.
    """

    activation_gradients: Tensor
    inputs: Tensor

    def inner(self, other: Tensor) -> Tensor:
        """<D X^T, T> = <D^T, X^T T^T>."""
        return (self.activation_gradients * (self.inputs @ other.T)).sum()

    def squared_norm(self) -> Tensor:
        """|D X^T|^2 = <D^T D, X^T X>."""
        gradients, inputs = self.activation_gradients, self.inputs
        return ((gradients @ gradients.T) * (inputs @ inputs.T)).sum()

    def dense(self) -> Tensor:
        """See `Gradient`."""
        return self.activation_gradients.T @ self.inputs


def product(activation_gradients: Tensor, inputs: Tensor) -> Gradient:
    """dL/dZ X^T in whichever form its norm is cheaper in; arguments as of `Product`."""
    r, m = activation_gradients.shape
    n = inputs.shape[1]
    factors = Product(activation_gradients, inputs)
    return factors if r * (m + n) <= m * n else Dense(factors.dense())
