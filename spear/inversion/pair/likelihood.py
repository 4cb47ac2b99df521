"""Likelihood of a batch behind a noisy pair: the equations of both gradients, entry by entry.

Unknown are the inputs X^T (b x k, in the basis of `shared_gradients`) and the next layer's
gradients D2^T (b x K). With Z = W1 X + c1, A = sigma(Z) and D1 = sigma'(Z) * (W2^T D2),

    G1 = D1 X^T,   dL/dc1 = D1 1,   G2 = D2 A^T,   dL/dc2 = D2 1,

each divided by the deviation of its noise. Least squares are the maximum of the likelihood.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.shared_gradients import SharedGradients

OPEN = 3.0
"""Deviations of z from a kink within which the gradient decides on which side a neuron is."""

MOVING = 0.02
"""The same as a share of the root mean square of z: inputs are off at first."""

Equations = tuple[Tensor, ...]
"""Of G1 (m x k), dL/dc1 (m), G2 (K x m) and, if it is shared, dL/dc2 (K)."""


@dataclass(frozen=True)
class Likelihood:
    """Equations of a noisy pair.

    Attributes:
        problem: the whole pair.
        shared: its gradients.
    """

    problem: PairProblem
    shared: SharedGradients

    def start(self, inputs: Tensor) -> "Batch":
        """The batch of given inputs, with the next layer's gradients by least squares."""
        shared = self.shared
        a = self.problem.activation.value(inputs @ shared.weight.T + shared.bias)
        return self.at(inputs, torch.linalg.lstsq(a.T, shared.next_gradient.T).solution)

    def at(self, inputs: Tensor, nexts: Tensor) -> "Batch":
        """The batch of inputs (b x k) and next gradients (b x K)."""
        activation = self.problem.activation
        z = inputs @ self.shared.weight.T + self.shared.bias
        behind = nexts @ self.shared.next_weight
        slopes = self._slopes(inputs, z, behind)
        return Batch(
            likelihood=self,
            inputs=inputs,
            nexts=nexts,
            activations=activation.value(z),
            slopes=slopes,
            gradients=slopes * behind,
            curved=activation.curvature(z) * behind,
        )

    def _slopes(self, inputs: Tensor, z: Tensor, behind: Tensor) -> Tensor:
        """sigma' (b x m); near a kink that of the two which explains G1 better."""
        slopes, pieces = self.problem.activation.slope(z), self.problem.activation.pieces
        if pieces is None:
            return slopes
        gram = (slopes * behind) @ (slopes * behind).T
        spread = torch.linalg.pinv(gram, hermitian=True).diagonal().clamp(min=0).sqrt()
        moved = spread[:, None] * torch.linalg.vector_norm(self.shared.weight, dim=1)
        open_ = OPEN * self.problem.first_error * moved
        open_ = open_ + MOVING * z.square().mean(dim=1, keepdim=True).sqrt()
        near = torch.minimum((z - pieces.lower).abs(), (z - pieces.upper).abs()) < open_
        columns = torch.linalg.lstsq(inputs.T, self.shared.gradient.T).solution
        outer = torch.as_tensor(pieces.outer).to(z)
        inside = (columns - pieces.inner * behind).abs() < (columns - outer * behind).abs()
        return torch.where(near, torch.where(inside, pieces.inner, outer), slopes)


@dataclass(frozen=True)
class Batch:
    """A candidate for the batch, around which the equations are linear; a row a sample.

    Attributes:
        likelihood: of which pair.
        inputs: X^T (b x k).
        nexts: D2^T (b x K).
        activations: A^T (b x m).
        slopes: sigma'(Z)^T (b x m).
        gradients: D1^T (b x m).
        curved: derivative of D1 by Z, transposed (b x m).
    """

    likelihood: Likelihood
    inputs: Tensor
    nexts: Tensor
    activations: Tensor
    slopes: Tensor
    gradients: Tensor
    curved: Tensor

    def residuals(self) -> Equations:
        """Observed less computed, in deviations."""
        shared = self.likelihood.shared
        rest = [
            shared.gradient - self.gradients.T @ self.inputs,
            shared.bias_gradient - self.gradients.sum(dim=0),
            shared.next_gradient - self.nexts.T @ self.activations,
        ]
        if shared.next_bias_gradient is not None:
            rest.append(shared.next_bias_gradient - self.nexts.sum(dim=0))
        return self._in_deviations(rest)

    def times(self, inputs: Tensor, nexts: Tensor) -> Equations:
        """J x: how the computed gradients change with inputs and next gradients."""
        shared = self.likelihood.shared
        z = inputs @ shared.weight.T
        gradients = self.curved * z + self.slopes * (nexts @ shared.next_weight)
        changes = [
            gradients.T @ self.inputs + self.gradients.T @ inputs,
            gradients.sum(dim=0),
            nexts.T @ self.activations + self.nexts.T @ (self.slopes * z),
            nexts.sum(dim=0),
        ]
        return self._in_deviations(changes[: 3 + (shared.next_bias_gradient is not None)])

    def transposed_times(self, equations: Equations) -> tuple[Tensor, Tensor]:
        """J^T y."""
        shared = self.likelihood.shared
        first, sums, second, *bias = self._in_deviations(list(equations))
        gradients = self.inputs @ first.T + sums
        z = self.curved * gradients + self.slopes * (self.nexts @ second)
        inputs = z @ shared.weight + self.gradients @ first
        nexts = (self.slopes * gradients) @ shared.next_weight.T + self.activations @ second.T
        return inputs, nexts + bias[0] if bias else nexts

    def grams(self) -> tuple[Tensor, Tensor]:
        """Gram matrices of D1 and of A, in deviations: J^T J without the chain rule (b x b)."""
        problem = self.likelihood.problem
        first = self.gradients @ self.gradients.T / problem.first_error**2
        return first, self.activations @ self.activations.T / problem.next_error**2

    def _in_deviations(self, values: list[Tensor]) -> Equations:
        first, second = self.likelihood.problem.first_error, self.likelihood.problem.next_error
        return tuple(each / (first if k < 2 else second) for k, each in enumerate(values))
