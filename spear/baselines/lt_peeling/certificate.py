"""The attack's certificate: one sample with one label explains the bias gradient of some neuron."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.baselines.lt_peeling.downstream import Downstream


@dataclass(frozen=True)
class Accepted:
    """Candidates that the certificate accepts.

    Attributes:
        inputs: k x n.
        labels: class of each (k).
        explained: largest |dL/dbias_j| of the neurons that each fits (k).
    """

    inputs: Tensor
    labels: Tensor
    explained: Tensor


def certified(
    downstream: Downstream,
    candidates: Tensor,
    sources: Tensor,
    bias_gradient: Tensor,
    batch_size: int,
    tolerance: float,
    live: float,
) -> Accepted:
    """Return the candidates that explain dL/dbias at a neuron with some label.

    The gradient of the mean cross-entropy by the pre-activation j of a sample with label y is
    (J^T p - J^T e_y)_j / B. A candidate is accepted if that is dL/dbias_j at its own neuron, and
    the classes that fit at the neurons that it activates agree on one.

    Args:
        downstream: the network behind the layer.
        candidates: inputs (k x n).
        sources: the neuron that gave each (k).
        bias_gradient: what is left of dL/dbias (m).
        batch_size: B.
        tolerance: largest error of a fit, absolute as published.
        live: |dL/dbias_j| above which a neuron counts.
    """
    z = downstream.pre_activations(candidates)
    pulled = downstream.pulled_back(z)
    own = downstream.jacobian_rows(z, sources)
    predicted = (pulled.gather(1, sources[:, None]) - own) / batch_size
    fits = (predicted - bias_gradient[sources, None]).abs().amin(dim=1) < tolerance
    kept, labels, explained = [], [], []
    for k in fits.nonzero().flatten().tolist():
        firing = (z[k] > 0) & (bias_gradient.abs() > live)
        firing[sources[k]] = True
        neurons = firing.nonzero().flatten()
        rows = downstream.jacobian_rows(z[k].expand(len(neurons), -1), neurons)
        errors = (pulled[k, neurons, None] - rows) / batch_size - bias_gradient[neurons, None]
        label = _label(errors.abs(), tolerance)
        if label is not None:
            kept.append(k)
            labels.append(label)
            fitted = errors.abs().amin(dim=1) < tolerance
            explained.append(float(bias_gradient[neurons][fitted].abs().max()))
    chosen = torch.tensor(kept, dtype=torch.long, device=candidates.device)
    return Accepted(
        candidates[chosen],
        torch.tensor(labels, dtype=torch.long, device=z.device),
        torch.tensor(explained, dtype=z.dtype, device=z.device),
    )


def _label(errors: Tensor, tolerance: float) -> int | None:
    """The class on which the fitting neurons agree, by errors (neurons x K); None if none fits."""
    least, best = errors.min(dim=1)
    fitting = least < tolerance
    if not bool(fitting.any()):
        return None
    counts = best[fitting].bincount(minlength=errors.shape[1])
    tied = (counts == counts.max()).nonzero().flatten().tolist()
    sums = [float(least[fitting & (best == each)].sum()) for each in tied]
    label = int(tied[sums.index(min(sums))])
    norm = torch.linalg.vector_norm(errors[fitting, label])
    return label if float(norm) < tolerance else None
