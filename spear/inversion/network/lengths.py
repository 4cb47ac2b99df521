"""Lengths of inputs by the cross-entropy, behind homogeneous activations and without biases.

Such layers give the logits t u for the input t x if they give u for x. A pair tells x up to t > 0,
and so the inputs h of the last layer up to t. Its gradient is

    G = sum over i of v_i h_i^T,   v_i = (t_i / N) (softmax(t_i u_i) - y_i),

with N inputs in the batch and labels y_i. It is linear in v (K x b), with n equations for each row.
Then of v alone:

* the label is the class of its one negative entry;
* for the others, log v_j = t u_j + const: t is the slope of a line through K - 1 points;
* the entry of the label, which is the sum of the others, gives N, one number for the whole batch.

So N is an unknown of its own here. An update that is multiplied by a factor, as by clipping, has
another N than that of its inputs, and is told.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.pair.proof import DEVIATIONS, ROUNDING
from spear.observation import Link

ITERATIONS = 60
"""Gauss-Newton steps at most; from the line on, a few do."""

STEP = 1.0
"""Largest change of a logarithm in a step."""

SETTLED = 1e-13
"""Change of all logarithms at which the steps end."""

SURE = 10.0
"""Slope of a line in its deviations from which it is a start."""

EPS = torch.finfo(torch.float32).eps


@dataclass(frozen=True)
class Lengths:
    """Lengths of the inputs of a batch, and what the last layer's gradient leaves of them.

    Attributes:
        factors: t, by which inputs are longer than the given ones (b).
        labels: class of each (b).
        batch_size: N, of the inputs that leave no gradient, too.
        residuals: |v - computed| / |v| of each (b).
        allowed: what the errors of the gradient make of it (b).
        rest: part of the gradient that no v makes, relative to it.
        errors: relative error of each t that goes with these, with N unknown (b); infinite if
            nothing but N tells t.
    """

    factors: Tensor
    labels: Tensor
    batch_size: int
    residuals: Tensor
    allowed: Tensor
    rest: float
    errors: Tensor

    @property
    def explained(self) -> bool:
        """Tell whether the errors of the gradient explain what is left of it."""
        return bool((self.residuals <= self.allowed).all())


def lengths_by_loss(last: Link, features: Tensor) -> Lengths | None:
    """Find the lengths and labels of a batch.

    Args:
        last: the layer that gives the logits, without a bias.
        features: its inputs, each of any length (b x n).

    Returns:
        None if the features do not determine v: more of them than the layer has inputs.
    """
    features = features.double()
    if len(features) > features.shape[1]:
        return None
    parts, deviations, rest_of_gradient = _parts(last, features)
    equations = _Equations(features @ last.weight.to(features).T, parts, deviations)
    logs, log_size = equations.start()
    logs, log_size = equations.solved(logs, log_size, free=True)
    size = _whole(float(log_size.exp()), len(features))
    free = equations.errors(logs, log_size)
    logs, log_size = equations.solved(logs, parts.new_tensor(size).log(), free=False)
    lengths = torch.linalg.vector_norm(parts, dim=1).clamp(min=torch.finfo(parts.dtype).tiny)
    rest = equations.residuals(logs, log_size) * deviations[:, None]
    spread = deviations * parts.shape[1] ** 0.5 / lengths
    return Lengths(
        factors=logs.exp(),
        labels=equations.labels,
        batch_size=size,
        residuals=(torch.linalg.vector_norm(rest, dim=1) / lengths).nan_to_num(
            torch.inf, torch.inf
        ),
        allowed=ROUNDING + DEVIATIONS * spread,
        rest=rest_of_gradient,
        errors=(DEVIATIONS * free).nan_to_num(torch.inf, torch.inf),
    )


def _whole(size: float, b: int) -> int:
    """The number of inputs next to an estimate: b at least."""
    return max(b, round(size)) if size < 2**31 else b  # False for NaN, too


def _parts(last: Link, features: Tensor) -> tuple[Tensor, Tensor, float]:
    """v of each sample (b x K) by least squares, the deviation of its entries (b), and the rest."""
    gradient = last.weight_gradient.to(features)
    inverse = torch.linalg.pinv(features.T)
    parts = inverse @ gradient.T
    rest = gradient.T - features.T @ parts
    spare = max(1, (features.shape[1] - len(features)) * gradient.shape[0])
    error = (rest.square().sum() / spare).sqrt()
    error = torch.maximum(error, EPS * gradient.square().mean().sqrt())
    deviations = error * torch.linalg.vector_norm(inverse, dim=1)
    least = EPS * parts.square().mean(dim=1).sqrt()
    deviations = torch.maximum(deviations, least).clamp(min=torch.finfo(parts.dtype).tiny)
    share = torch.linalg.vector_norm(rest) / torch.linalg.vector_norm(gradient)
    return parts, deviations, float(share.nan_to_num(0.0))


class _Equations:
    """v = t / N (softmax(t u) - y) for all samples, in the logarithms of t and N.

    Args:
        logits: u (b x K).
        parts: v (b x K).
        deviations: of the entries of v (b).
    """

    def __init__(self, logits: Tensor, parts: Tensor, deviations: Tensor) -> None:
        self._logits, self._parts, self._deviations = logits, parts, deviations[:, None]
        self.labels = parts.argmin(dim=1)
        self._hard = torch.nn.functional.one_hot(self.labels, parts.shape[1]).to(parts)

    def start(self) -> tuple[Tensor, Tensor]:
        """log t by the line, or else by the size of v with N = b; log N by the middle one."""
        b, classes = self._parts.shape
        others = (1 - self._hard) * (self._parts > 0)
        weights = others * (self._parts / self._deviations).square()
        values = self._parts.clamp(min=torch.finfo(self._parts.dtype).tiny).log()
        total = weights.sum(dim=1, keepdim=True).clamp(min=1e-300)
        u = self._logits - (weights * self._logits).sum(dim=1, keepdim=True) / total
        spread = (weights * u.square()).sum(dim=1)
        slopes = (weights * u * values).sum(dim=1) / spread.clamp(min=1e-300)
        sure = slopes * spread.sqrt() > SURE
        sizes = -(self._parts * self._hard).sum(dim=1)
        by_size = (b * sizes / (1 - 1 / classes)).clamp(min=1e-300)
        logs = torch.where(sure, slopes.clamp(min=1e-300), by_size).log()
        if not bool(sure.any()):
            return logs, logs.new_tensor(b).log()
        errors = 1 - (self._probabilities(logs) * self._hard).sum(dim=1)
        batch_sizes = logs.exp() * errors / sizes.clamp(min=1e-300)
        return logs, batch_sizes[sure].median().log()

    def residuals(self, logs: Tensor, log_size: Tensor) -> Tensor:
        """Computed less observed v, in deviations (b x K)."""
        errors = self._probabilities(logs) - self._hard
        return ((logs - log_size).exp()[:, None] * errors - self._parts) / self._deviations

    def solved(self, logs: Tensor, log_size: Tensor, free: bool) -> tuple[Tensor, Tensor]:
        """Minimise the residuals over log t and, if it is free, log N."""
        for _ in range(ITERATIONS):
            rest = self.residuals(logs, log_size)
            by_length, by_size = self._jacobian(logs, log_size)
            diagonal, cross, least = self._normal(by_length, by_size)
            gradient = (by_length * rest).sum(dim=1)
            size_step = logs.new_zeros(())
            if free and bool(least > 0):
                reduced = (by_size * rest).sum() - (cross * gradient / diagonal).sum()
                size_step = (-reduced / least).clamp(-STEP, STEP)
            steps = (-(gradient + cross * size_step) / diagonal).clamp(-STEP, STEP)
            logs, log_size = logs + steps, log_size + size_step
            if bool(steps.abs().max() < SETTLED) and bool(size_step.abs() < SETTLED):
                break
        return logs, log_size

    def errors(self, logs: Tensor, log_size: Tensor) -> Tensor:
        """Deviation of each log t if N is free (b)."""
        diagonal, cross, least = self._normal(*self._jacobian(logs, log_size))
        shared = (cross / diagonal).square() / least
        return torch.where(least > 0, (1 / diagonal + shared).sqrt(), torch.inf)

    def _normal(self, by_length: Tensor, by_size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normal equations: the diagonal of log t, its row with log N, what is left of N."""
        diagonal = by_length.square().sum(dim=1).clamp(min=1e-300)
        cross = (by_length * by_size).sum(dim=1)
        whole = by_size.square().sum()
        least = whole - (cross.square() / diagonal).sum()
        rounding = len(diagonal) * torch.finfo(whole.dtype).eps * whole
        return diagonal, cross, torch.where(least > rounding, least, 0.0)

    def _jacobian(self, logs: Tensor, log_size: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives of the residuals of a sample by its log t and by log N (b x K each)."""
        lengths, weights = logs.exp()[:, None], (logs - log_size).exp()[:, None]
        p = self._probabilities(logs)
        curved = p * (self._logits - (p * self._logits).sum(dim=1, keepdim=True))
        by_length = weights * (p - self._hard + lengths * curved) / self._deviations
        return by_length, -weights * (p - self._hard) / self._deviations

    def _probabilities(self, logs: Tensor) -> Tensor:
        return (logs.exp()[:, None] * self._logits).softmax(dim=1)
