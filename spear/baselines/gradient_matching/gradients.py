"""Gradients for gradient matching: inner products, norms, and entries only if they are needed."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Gradient(Protocol):
    """Gradient of one parameter, at a candidate differentiable in it."""

    def inner(self, other: "Gradient") -> Tensor:
        """Sum of the products with the entries of `other`, which a client shared."""
        ...

    def squared_norm(self) -> Tensor:
        """Sum of the squared entries."""
        ...

    def dense(self) -> Tensor:
        """The entries, shaped as the parameter."""
        ...

    def applied(self, rows: Tensor) -> Tensor:
        """X^T G^T (r x m), for rows X^T (r x n) and the gradient G (m x n) of a weight."""
        ...


@dataclass(frozen=True)
class Dense:
    """A gradient given by its entries."""

    value: Tensor

    def inner(self, other: Gradient) -> Tensor:
        """Implement `Gradient`."""
        return torch.dot(self.value.flatten(), other.dense().flatten())

    def squared_norm(self) -> Tensor:
        """Implement `Gradient`."""
        # Not a product with itself, whose derivative goes through the entries three times.
        return torch.linalg.vector_norm(self.value).square()

    def dense(self) -> Tensor:
        """Implement `Gradient`."""
        return self.value

    def applied(self, rows: Tensor) -> Tensor:
        """Implement `Gradient`."""
        return rows @ self.value.T


@dataclass(frozen=True)
class Product:
    """dL/dW = dL/dZ X^T of a linear layer in its factors (Theorem 3.1), never multiplied out.

    With r rows, a norm costs r^2 (m + n), an inner product with another product of k rows
    r k (m + n), and one with entries as much as a forward pass. Multiplied out, the m n entries
    would have to be written and read again for each of these and for their derivatives.

    Attributes:
        activation_gradients: (dL/dZ)^T, r x m.
        inputs: X^T, r x n.
    """

    activation_gradients: Tensor
    inputs: Tensor

    def inner(self, other: Gradient) -> Tensor:
        """<D X^T, T> = <D^T, X^T T^T>."""
        return (self.activation_gradients * other.applied(self.inputs)).sum()

    def squared_norm(self) -> Tensor:
        """|D X^T|^2 = <D^T D, X^T X>."""
        gradients, inputs = self.activation_gradients, self.inputs
        return ((gradients @ gradients.T) * (inputs @ inputs.T)).sum()

    def dense(self) -> Tensor:
        """Implement `Gradient`."""
        return self.activation_gradients.T @ self.inputs

    def applied(self, rows: Tensor) -> Tensor:
        """Implement `Gradient`."""
        return (rows @ self.inputs.T) @ self.activation_gradients


def product(activation_gradients: Tensor, inputs: Tensor) -> Gradient:
    """dL/dZ X^T in the form whose norm is cheaper; arguments as of `Product`."""
    r, m = activation_gradients.shape
    n = inputs.shape[1]
    factors = Product(activation_gradients, inputs)
    return factors if r * (m + n) <= m * n else Dense(factors.dense())
