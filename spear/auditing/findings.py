"""Findings of an audit about one layer, in types that a report can render."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from torch import Tensor

from spear.auditing.verdicts import Equation, Verdict
from spear.inversion.descent.cost import TimeForecast


@dataclass(frozen=True)
class Applicability:
    """Applicability of the method to a layer, judged by the network alone.

    Attributes:
        equation: the one that the attack solves; None if the method does not apply.
        reasons: for this, in sentences without a full stop.
    """

    equation: Equation | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Spectrum:
    """Facts from the singular values of a layer's update, without any attack.

    Attributes:
        rank: number of singular values that are signal. If the update is an unaltered gradient, at
            least as many different inputs are behind it.
        gap: whether the rest is smaller by far, so that it is only rounding.
        signal_to_noise: smallest singular value that belongs to the inputs, over the noise.
        white: whether the noise is independent from entry to entry, like that of a defense or of
            weights after local steps; otherwise it is rounding.
        inactive: share of the neurons that no input activates, in [0, 1].
    """

    rank: int
    gap: bool
    signal_to_noise: float
    white: bool
    inactive: float


@dataclass(frozen=True)
class Resimulation:
    """Comparison of the observed update with that of the reconstructed inputs.

    Attributes:
        residual: largest relative error of the update of any parameter at and behind the layer, up
            to one scale for all; NaN if there was no comparison.
        scale: that scale; 1 if the update is the gradient of the loss itself.
        labels: labels of the reconstructed inputs that fit best, in their order.
        obstacle: reason why there was no comparison; empty if there was one.
        parameters: names of the parameters whose update was compared.
        free: whether no labels explain the update, so that dL/d(outputs) was fitted to it.
    """

    residual: float
    scale: float
    labels: Tensor | None = field(repr=False)
    obstacle: str = ""
    parameters: tuple[str, ...] = ()
    free: bool = False

    @classmethod
    def impossible(cls, obstacle: str) -> "Resimulation":
        """Return the result of a comparison that an obstacle prevented."""
        return cls(math.nan, math.nan, None, obstacle)


@dataclass(frozen=True)
class Recovery:
    """Result of the attack on a layer.

    Attributes:
        status: end of the attack (`spear.Status`).
        message: the same as a sentence, without a full stop.
        inputs: one a row (b x n), as the layer receives them; those found come first.
        found: number of inputs that something proves right: all together the pattern of zeros and
            nothing refutes them, or each its own zeros if the update is an unaltered gradient. 0 if
            they are candidates only.
        candidates: number of inputs that are worth a look: those found, or all if only the model
            does not give this update for them.
        sparsity_matching: lambda in [0, 1] (Definition 4.1).
        sparsity: share of zeros in the reconstructed sparse factor, in [0, 1]; NaN without one.
        misfit: largest relative residual of the equations of a layer pair; NaN of another equation.
        twins: number of pairs of inputs that are nearly equal.
        seconds: wall time of the attack.
        resimulation: test of the inputs by the rest of the network.
        error: largest relative error of an input if the true batch is known, else NaN.
    """

    status: str
    message: str
    inputs: Tensor = field(repr=False)
    found: int
    candidates: int
    sparsity_matching: float
    sparsity: float
    twins: int
    seconds: float
    resimulation: Resimulation
    misfit: float = math.nan
    error: float = math.nan


@dataclass(frozen=True)
class LayerFinding:
    """Finding of the audit about a layer.

    Attributes:
        name: as in `named_modules()`.
        m, n: numbers of its outputs and inputs.
        verdict: outcome of the audit.
        reasons: for the outcome, in sentences without a full stop.
        equation: the one that the attack solves; None if there is none.
        spectrum, forecast, recovery: None if the audit did not come so far.
        shape: of one input if the layer receives the network's own inputs, else None.
        given: number of different inputs that the given batch has at this layer; None without a
            batch.
    """

    name: str
    m: int
    n: int
    verdict: Verdict
    reasons: tuple[str, ...]
    equation: Equation | None = None
    spectrum: Spectrum | None = None
    forecast: TimeForecast | None = None
    recovery: Recovery | None = None
    shape: tuple[int, ...] | None = None
    given: int | None = None

    def explains(self, other: "LayerFinding") -> bool:
        """Return whether the re-simulation from this layer included another layer's update."""
        return (
            self.recovery is not None
            and f"{other.name}.weight" in self.recovery.resimulation.parameters
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the finding for JSON, with the shape of each floating-point tensor in its place.

        NaN and infinity become None.
        """
        return _plain(self)


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.tolist() if not value.is_floating_point() else list(value.shape)
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value
